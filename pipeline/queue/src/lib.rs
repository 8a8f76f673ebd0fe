//! Named bounded queues with an answer to 'full' and gauges that show their fill.
