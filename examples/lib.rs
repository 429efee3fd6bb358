//! Programs that use Callboard as its users do: see the files beside this one.
