"""Single descent steps on arrays: what a session does inside, one step at a time.

States are logits Y, distributions P = softmax(Y) and gradients G = dE/dP, all (..., V).
"""
import numpy as np


def softmax(y):
    """Probabilities of logits (..., V), along the last axis."""
    e = np.exp(y - np.max(y, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def mirror_step(y, gradient, alpha, tau=0.0):
    """Entropic mirror descent on E + tau sum P ln P: Y' = Y - alpha (G + tau Y)."""
    return y - alpha * (gradient + tau * y)


def probability_step(y, gradient, alpha):
    """The published rule: Y' = P - alpha G, a step of the probabilities that is read as logits."""
    return softmax(y) - alpha * gradient


def logit_step(y, gradient, alpha):
    """A step of the logits: Y' = Y - alpha (diag P - P P^T) G."""
    p = softmax(y)
    return y - alpha * p * (gradient - np.sum(p * gradient, axis=-1, keepdims=True))
