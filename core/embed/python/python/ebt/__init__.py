"""Energy-based language models: every token, and every answer to a joint problem, is found by descent on an energy.

    >>> import ebt
    >>> generator = ebt.Generator()                      # the sample model that the package brings along
    >>> tokens = generator.generate("Türkiye'nin başkenti", 20, seed=1, step_size="armijo")
    >>> text = "".join(token.text for token in tokens)
    >>> energies = tokens[0].certificate.energies        # before every step: they fall

Without a path or model every class takes what the package brings along.  Nothing is downloaded.
"""
from ._ebt import (
    Certificate,
    EbtError,
    Generator,
    Letter,
    Model,
    Restorer,
    Score,
    Session,
    Solution,
    Solver,
    Suggestion,
    Token,
    Tokenizer,
    __version__,
)
from .descent import logit_step, mirror_step, probability_step, softmax
from .runs import read_run

__all__ = [
    "Certificate", "EbtError", "Generator", "Letter", "Model", "Restorer", "Score", "Session", "Solution", "Solver",
    "Suggestion", "Token", "Tokenizer", "__version__", "logit_step", "mirror_step", "probability_step", "read_run", "softmax",
]
