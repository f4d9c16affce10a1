"""The figures of training: drawn from results, with titles that say what the numbers say."""

from __future__ import annotations

from aistack.drawing import Figure
from aistack.training.figures import learning_rate, loss, sizes, step_time

CURVE = [{"tokens": 1e5 * step, "loss": 8 - 0.3 * step} for step in range(1, 11)]
VALIDATION = [{"tokens": 5e5, "loss": 6.4}, {"tokens": 1e6, "loss": 5.1}]


def drawn(figure: Figure) -> str:
    assert figure.layer == "training" and figure.table
    assert len({frozenset(row) for row in figure.table}) == 1
    assert figure.svg.startswith("<svg") and "NaN" not in figure.svg
    return figure.title


def test_the_loss_says_whether_the_forecast_held() -> None:
    held = drawn(loss.draw(CURVE, VALIDATION, {"loss": 5.0, "low": 4.5, "high": 5.5}))
    assert "1 M tokens" in held and "5.10, within the forecast of 4.50 to 5.50" in held
    assert "outside" in drawn(loss.draw(CURVE, VALIDATION, {"loss": 4.0, "low": 3.5, "high": 4.5}))


def test_the_sizes_name_the_chosen_one_and_why() -> None:
    rows = [
        {"parameters": n, "tokens": 4e12 / n, "tokens_per_second": 2e10 / n, "loss": at, "low": at - 1, "high": at + 1}
        for n, at in ((400_000, 5.2), (1_000_000, 5.0), (1_200_000, 5.01), (4_000_000, 5.4), (190_000_000, 9.0))
    ]
    assert drawn(sizes.draw(rows, 1_000_000)).startswith("In this time 1 M parameters should learn most: smaller ones")
    assert "larger ones would see too few" in drawn(sizes.draw(rows[1:], 1_000_000))


def test_the_learning_rates_name_the_best_that_ended() -> None:
    trials = [
        {"rate": 1e-3, "readings": [[1000, 6.9], [2000, 6.5]], "pruned": False},
        {"rate": 4e-3, "readings": [[1000, 6.7], [2000, 6.1]], "pruned": False},
        {"rate": 2e-2, "readings": [[1000, 6.0]], "pruned": True},
        {"rate": 9e-2, "readings": [], "pruned": True},
    ]
    title = drawn(learning_rate.draw(trials, 8e-3))
    assert "Of 4 learning rates 0.004 does best, 0.5 times" in title


def test_the_step_names_what_takes_most() -> None:
    predicted = {"matmul": 0.08, "attention": 0.02, "elementwise": 0.05, "lookup": 0.0, "optimizer": 0.01}
    measured = {"matmul": 0.05, "attention": 0.02, "elementwise": 0.11, "lookup": 0.0, "optimizer": 0.02}
    assert drawn(step_time.draw(predicted, measured)) == "Of a step's 200 ms, elementwise operations take 55%"
