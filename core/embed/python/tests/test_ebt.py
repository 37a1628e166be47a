"""What the Python package promises: the numbers of the library, as arrays, and a sentence for everything that is refused."""
import json
import os
import pathlib
import subprocess
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebt

ROOT = pathlib.Path(__file__).resolve().parents[4]
BOARD = "..5.2. ...... 2..... .6.1.. 1...5. ...4.3".replace(" ", "")


@pytest.fixture(scope="module")
def sample():
    return ebt.Model()


def observing(model, text, **extents):
    """A session that has read a text."""
    session = ebt.Session(model, **extents)
    session.observe([model.tokenizer.begin, *model.tokenizer.encode(text)])
    return session


def distributions(count, vocabulary, seed=0):
    """Random distributions (count, V)."""
    logits = np.random.default_rng(seed).normal(size=(count, vocabulary))
    return ebt.softmax(logits).astype(np.float32)


def allowed_of(board):
    """The sets of a board of digits."""
    allowed = np.ones((len(board), 6), dtype=bool)
    for cell, symbol in enumerate(board):
        if symbol != ".":
            allowed[cell] = np.arange(6) == int(symbol) - 1
    return allowed


def test_a_model_says_what_it_is(sample):
    assert sample.kind == "ebt"
    assert sample.config["vocabulary"] == len(sample.tokenizer) == 4096
    assert "training steps" in sample.provenance
    assert "ebt.Model" in repr(sample)
    assert ebt.Model.sudoku().kind == ebt.Model.restore().kind == "joint"


def test_models_come_from_paths_and_bytes():
    packed = ROOT / "fixtures" / "sample-model.ebp"
    for model in (ebt.Model(packed), ebt.Model(str(packed)), ebt.Model.from_bytes(packed.read_bytes())):
        assert model.config == ebt.Model().config
    trained = ebt.Model(ROOT / "fixtures" / "formats" / "model-3.ebt")
    assert trained.config["storage"] == "f32"
    assert trained.tokenizer is not None


def test_a_seed_gives_a_text_and_energies_fall(sample):
    generator = ebt.Generator(sample)
    tokens = generator.generate("Türkiye'nin başkenti", 12, seed=3, steps=8, step_size="armijo")
    again = ebt.Generator(sample).generate("Türkiye'nin başkenti", 12, seed=3, steps=8, step_size="armijo")
    assert [token.id for token in tokens] == [token.id for token in again]
    for token in tokens:
        certificate = token.certificate
        last = certificate.landscapes == certificate.landscapes[-1]
        assert np.all(np.diff(certificate.energies[last]) <= 1e-6)
        assert certificate.steps == len(certificate.energies) == len(certificate.step_sizes)
        assert 0 < token.probability <= 1
        assert token.bytes.decode(errors="replace") or token.text == ""


@pytest.mark.skipif("EBT_PROGRAM" not in os.environ, reason="EBT_PROGRAM names no program ebt")
def test_the_program_says_the_same(sample):
    prompt = "Ankara'da bugün"
    command = [os.environ["EBT_PROGRAM"], "generate", "--prompt", prompt, "--tokens", "16", "--seed", "7", "--min-p", "0", "--json"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    tokens = ebt.Generator(sample).generate(prompt, 16, seed=7)
    assert told["text"].endswith("".join(token.text for token in tokens))
    line = "yarin aksam görüşuruz, cok ozledim sizi! ISTANBUL'da https://x.com/sicak"
    restored = subprocess.run([os.environ["EBT_PROGRAM"], "restore"], input=line.encode(), check=True, stdout=subprocess.PIPE)
    assert restored.stdout.decode() == ebt.Restorer().restore(line)


def test_words_are_finished_without_a_trace(sample):
    generator = ebt.Generator(sample)
    generator.prompt("Bugün hava çok güzel, ")
    plain = [generator.next(seed=2).id for _ in range(3)]
    generator.reset()
    generator.prompt("Bugün hava çok güzel, ")
    words = generator.suggest("Ankara'd", 5)
    assert {"Ankara'da", "Ankara'dan"} <= {word.word for word in words}
    assert all(word.word == "Ankara'd" + word.ending and 0 < word.probability <= 1 for word in words)
    assert [generator.next(seed=2).id for _ in range(3)] == plain
    # this tokenizer cuts text into lines
    assert generator.finished("gel\ngit") == "gel\n"
    for wrong in ({"words": 0}, {"evaluations": 0}, {"longest": 999}, {"least": -1.0}, {"wide": 1}):
        with pytest.raises(ebt.EbtError):
            generator.suggest("a", **wrong)


def test_scores_are_losses_in_bits(sample):
    text = "Ankara'da yağmur yağıyor.\n"
    score = ebt.Generator(sample).score(text)
    assert score.bytes == len(text.encode()) and score.at[0] == 0
    session = ebt.Session(sample)
    session.observe([sample.tokenizer.begin])
    losses = session.score(score.ids)[:, -1]
    assert score.bits == pytest.approx(losses / np.log(2), rel=1e-5)
    assert score.total == pytest.approx(float(np.sum(score.bits, dtype=np.float64)))
    assert ebt.Generator(sample).score("").bits_per_byte is None


def test_gradients_are_those_of_the_energies(sample):
    session = observing(sample, "Bir varmış bir", rows=8)
    p = distributions(2, 4096)
    energies, gradients = session.gradients(p)
    assert np.array_equal(energies, session.energies(p))
    direction = (distributions(1, 4096, seed=5) - p[:1]).astype(np.float32)
    for step in (0.05, 0.1):
        ahead, behind = (session.energies((p[:1] + sign * step * direction).astype(np.float32)) for sign in (1, -1))
        slope = (ahead - behind)[0] / (2 * step)
        assert slope == pytest.approx(float(np.sum(gradients[0] * direction[0])), rel=0.02, abs=1e-4)
    bent = session.hessian_products(p[:1], direction)
    after, before = (session.gradients((p[:1] + sign * 0.05 * direction).astype(np.float32))[1] for sign in (1, -1))
    difference = (after - before) / 0.1
    assert np.linalg.norm(bent - difference) < 0.03 * np.linalg.norm(difference) + 1e-4


def test_steps_on_arrays_are_those_of_a_session(sample):
    session = observing(sample, "Türkiye'nin")
    alpha, landscapes = sample.config["alpha"], sample.config["landscapes"]
    assert sample.config["rule"] == "mirror"
    y = np.zeros((1, 4096), dtype=np.float32)
    for step in range(3):
        landscape = min(step, landscapes - 1)
        _, gradient = session.gradients(ebt.softmax(y).astype(np.float32), landscape)
        y = ebt.mirror_step(y, gradient, alpha, sample.config["tau"]).astype(np.float32)
        session.think(steps=step + 1)
        assert ebt.softmax(y)[0] == pytest.approx(session.probabilities, abs=1e-4)


def test_other_rules_lower_the_energy_along_their_steps(sample):
    session = observing(sample, "Evvel zaman")
    y = np.zeros((1, 4096), dtype=np.float32)
    before, gradient = session.gradients(ebt.softmax(y).astype(np.float32))
    for rule in (ebt.mirror_step, ebt.logit_step):
        after = session.energies(ebt.softmax(rule(y, gradient, 0.1)).astype(np.float32))
        assert after[0] <= before[0]
    assert ebt.probability_step(y, gradient, 0.0) == pytest.approx(ebt.softmax(y))


def test_scores_are_losses_of_what_came(sample):
    ids = sample.tokenizer.encode("Türkiye'nin başkenti Ankara'dır.")
    session = observing(sample, "", rows=4)
    losses = session.score(ids)
    assert losses.shape == (len(ids), sample.config["steps"]) and np.all(losses > 0)
    by_hand = observing(sample, "")
    for token, loss in zip(ids, losses[:, -1]):
        by_hand.think()
        assert -np.log(by_hand.probabilities[token]) == pytest.approx(loss, rel=1e-3, abs=1e-3)
        by_hand.observe([token])


def test_a_board_is_filled_in():
    allowed = allowed_of(BOARD)
    solution = ebt.Solver(starts=8).solve(allowed, starts=8)
    grid = (solution.answer + 1).reshape(6, 6)
    assert all(sorted(line) == list(range(1, 7)) for line in [*grid, *grid.T])
    assert np.all(allowed[np.arange(36), solution.answer])
    assert np.all(solution.probabilities[~allowed] == 0)
    assert solution.probabilities.sum(axis=1) == pytest.approx(np.ones(36), abs=1e-5)
    assert solution.certificate.end["votes"] >= 1


def test_letters_are_put_back():
    restorer = ebt.Restorer()
    typed = "Turkiye'nin baskenti Ankara'dir.\n\nyarin aksam ISTANBUL'da\r\n"
    restored = restorer.restore(typed)
    assert restored == "Türkiye'nin başkenti Ankara'dır.\n\nyarın akşam İSTANBUL'da\r\n"
    assert restorer.restore(restored) == restored
    letters = restorer.letters("gun")
    assert [letter.was for letter in letters] == list("gun")
    assert "".join(letter.is_ for letter in letters) == "gün"
    assert all(0.5 <= letter.probability <= 1 for letter in letters) and letters[1].in_doubt


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_comes_back_from_tokens(text):
    tokenizer = ebt.Tokenizer()
    ids, places = tokenizer.encode_with_offsets(text)
    raw = text.encode()
    assert tokenizer.decode_bytes(ids) == raw
    assert np.array_equal(ids, tokenizer.encode(text))
    assert all(tokenizer.token_bytes(int(id)) == raw[first:last] for id, (first, last) in zip(ids, places))
    assert len(places) == len(ids) and (len(ids) == 0 or (places[0][0], places[-1][1]) == (0, len(raw)))


def test_threads_share_objects_and_get_their_own_results(sample):
    expected = [token.id for token in ebt.Generator(sample).generate("Ankara", 6, seed=1)]
    found, session = [], observing(sample, "Ankara", rows=2)
    p = distributions(2, 4096)
    energies = session.energies(p)

    def work():
        found.append([token.id for token in ebt.Generator(sample).generate("Ankara", 6, seed=1)])
        found.append(session.energies(p).tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(one in (expected, energies.tolist()) for one in found)


def test_what_is_wrong_is_said(sample, tmp_path):
    session = ebt.Session(sample)
    with pytest.raises(ebt.EbtError, match="observe at least one token"):
        session.think()
    session.observe([sample.tokenizer.begin])
    for call, words in [
        (lambda: ebt.Model(tmp_path / "nowhere.ebp"), "nowhere.ebp does not exist"),
        (lambda: ebt.Model.from_bytes(b"no model"), "the bytes"),
        (lambda: session.observe([4096]), "4096"),
        (lambda: session.think(stepsize=1), "there is no setting 'stepsize'|there is no setting \"stepsize\""),
        (lambda: session.think(step_size="big"), "step_size: must be"),
        (lambda: session.think(choose="best"), "choose: must be"),
        (lambda: session.think(candidates=2), "rows|candidates"),
        (lambda: session.energies(np.zeros((1, 7), np.float32)), "another vocabulary"),
        (lambda: session.energies(distributions(1, 4096), landscape=9), "landscape"),
        (lambda: ebt.Session(ebt.Model.sudoku()), "joint"),
        (lambda: ebt.Solver(sample), "joint"),
        (lambda: ebt.Solver().solve(np.zeros((36, 6), bool)), "cell"),
        (lambda: ebt.Solver().solve(np.ones((36, 7), bool)), "6 tokens"),
        (lambda: ebt.Restorer(sample), "knows no letters"),
        (lambda: ebt.Restorer().restore("gun", damage="fire"), "damage: must be one of"),
        (lambda: ebt.Tokenizer(tmp_path / "none.json"), "none.json"),
        (lambda: ebt.Generator(sample, prompt=4).prompt("a long prompt"), "prompt"),
        (lambda: ebt.Generator(sample).next(temperature=-1.0), "temperature"),
    ]:
        with pytest.raises(ebt.EbtError, match=words):
            call()
    damaged = bytearray((ROOT / "fixtures" / "sample-model.ebp").read_bytes())
    damaged[5000] ^= 1
    with pytest.raises(ebt.EbtError, match="checksum"):
        ebt.Model.from_bytes(bytes(damaged))
    with pytest.raises(TypeError):
        session.energies([[1.0]])


def test_a_run_is_read_as_arrays(tmp_path):
    lines = [
        {"step": 1, "loss": 2.0, "step_losses": [2.5, 1.5], "seconds": 0.1},
        {"validation": {"step": 1, "bits_per_byte": 2.1}},
        {"step": 2, "loss": 1.5, "step_losses": [1.5], "seconds": 0.2},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 3, "lo')
    run = ebt.read_run(tmp_path)
    assert run["steps"]["loss"].tolist() == [2.0, 1.5]
    assert run["steps"]["step_losses"].shape == (2, 2) and np.isnan(run["steps"]["step_losses"][1, 1])
    assert run["validations"][0]["bits_per_byte"] == 2.1
