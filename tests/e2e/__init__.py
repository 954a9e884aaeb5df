"""Whole journeys: campaigns from their beginning to their end, and people's ways through a dashboard."""
