"""The regression networks: a depth crop and part probabilities in, joint positions out."""
