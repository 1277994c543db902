"""TTT-Discover with language models: programs as attempts, an adapter as what is learned."""
