"""Conventions that many instrumentations write: OpenTelemetry's, OpenInference, OpenLLMetry, MCP, Genkit."""
