//! The directory on Redis.
