//! Speed of Callboard, as ratios measured in one run.
