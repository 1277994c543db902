"""The nouns of guerdon: task, answer, score, reward, preference, challenge, solver. Standard library only."""
