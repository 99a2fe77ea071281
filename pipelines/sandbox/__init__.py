"""The provider simulator. Shares no code with the provider modules."""
