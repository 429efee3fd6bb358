//! Several nodes: who is there, who owns which partition, and what they say to one another.
mod assign;
mod steward;
mod view;
