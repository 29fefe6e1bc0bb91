"""The golden set: authored questions and people, graded by the policy (`distill/policy.md`), kept out of training."""
