//! RabbitMQ, Redis and an S3 server, started and stopped by process id.
