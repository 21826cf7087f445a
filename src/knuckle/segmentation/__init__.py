"""The segmentation networks: a depth crop in, probabilities of 20 hand parts and "not hand" out."""
