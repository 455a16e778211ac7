"""What one worker does. torch; no ray, no plugin lookup."""
