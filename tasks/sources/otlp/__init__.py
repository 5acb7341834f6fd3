"""OTLP files as a source: what the OpenTelemetry Collector's file exporter writes."""
