//! TrafficPolicy, and decisions about HTTP requests.
