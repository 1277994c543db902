"""Speaking the conventions of other tools: a guerdon reward is theirs, and theirs is ours."""
