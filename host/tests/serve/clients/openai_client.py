"""OpenAI's client against a server: openai_client.py ADDRESS. Prints what it saw; fails where an answer is not what was promised."""

import asyncio
import json
import pathlib
import sys

import openai

address = sys.argv[1]
options = {"base_url": f"http://{address}/v1", "api_key": "none", "max_retries": 0}
client = openai.OpenAI(**options)
request = {"model": client.models.list().data[0].id, "prompt": "Türkiye'nin başkenti", "max_tokens": 16, "temperature": 0.8, "seed": 7}

whole = client.completions.create(**request, logprobs=2)
text = whole.choices[0].text
assert whole.usage.completion_tokens == len(whole.choices[0].logprobs.tokens) == 16
assert "".join(whole.choices[0].logprobs.tokens) == text
print("whole: ", repr(text))

pieces, usage = [], None
for chunk in client.completions.create(**request, stream=True, stream_options={"include_usage": True}):
    pieces += [choice.text for choice in chunk.choices]
    usage = chunk.usage or usage
assert "".join(pieces) == text and usage == whole.usage, (pieces, usage)
print("stream:", len(pieces), "pieces")

certified = client.completions.create(**request, extra_body={"ebt": {"think": 4, "step_size": "armijo", "certificate": True}})
energies = certified.choices[0].ebt["tokens"][0]["certificate"]["energies"]
assert len(energies) == 4
print("energies of the first token:", [round(energy, 3) for energy in energies])

stop = text.split()[1]
stopped = client.completions.create(**request, stop=[stop])
assert stopped.choices[0].text == text[: text.index(stop)] and stopped.choices[0].finish_reason == "stop"

for wrong, error in [({"max_tokens": -1}, openai.BadRequestError), ({"model": "gpt-4"}, openai.NotFoundError), ({"best_of": 3}, openai.BadRequestError)]:
    try:
        client.completions.create(**{**request, **wrong})
    except error as refused:
        print("refused:", refused.body["message"])
    else:
        raise AssertionError(wrong)


async def many():
    """Fifty at once; every one gets what it would get alone."""
    async with openai.AsyncOpenAI(**options) as many:
        answers = await asyncio.gather(*(many.completions.create(**{**request, "seed": seed % 5}) for seed in range(50)))
    texts = [answer.choices[0].text for answer in answers]
    assert texts == texts[:5] * 10 and len(set(texts)) > 1
    print("at once:", len(texts), "answers")


asyncio.run(many())

# leaving in the middle is no error
with client.completions.create(**{**request, "max_tokens": 2000}, stream=True) as stream:
    next(iter(stream))

pairs = [json.loads(line) for line in (pathlib.Path(__file__).parent / "pairs.jsonl").read_text().splitlines()]


def log_probability(sentence):
    """Of all tokens of a sentence."""
    given = client.completions.create(model=request["model"], prompt=sentence, max_tokens=0, echo=True, logprobs=1)
    assert given.choices[0].text == sentence
    return sum(given.choices[0].logprobs.token_logprobs)


right = sum(log_probability(pair["sentence_good"]) > log_probability(pair["sentence_bad"]) for pair in pairs)
print("pairs:", right, "of", len(pairs))
