mod derived;
mod faults;
