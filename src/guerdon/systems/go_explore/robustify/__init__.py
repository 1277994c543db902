"""Phase 2 of Go-Explore: a policy that is sure under noise, from demonstrations, by the backward algorithm and PPO."""
