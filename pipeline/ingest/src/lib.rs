//! Cameras to views: one supervised source a camera, GStreamer or built in, tap, health.
