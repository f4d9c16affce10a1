"""Stage 6: an assistant over the text and the book, how well it finds things, and what the whole dive used."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from aistack.applications.lab import assistant
from aistack.applications.lab.endpoint import Endpoint
from aistack.applications.lab.index import Index, build
from aistack.applications.lab.meter import Meter
from aistack.applications.questions import Question
from aistack.dive.stage import Context, Outputs
from aistack.dive.stages.applications_energy import account
from aistack.dive.stages.applications_retrieval import K, Material, by_vectors, by_words, gather, scratch
from aistack.drawing import Figure
from aistack.errors import AistackError

if TYPE_CHECKING:
    from aistack.serving.lab.server import Device

INDEX = "index.sqlite"
"""The assistant's index, in this stage's folder."""
ANSWER = "A generated answer"

_OWN_QUESTION = "What does aistack need to run the dive on a fresh machine?"
_EXAMPLES = 3


def run(context: Context) -> Outputs:
    """Index, predict and measure retrieval, answer examples, and add up what the dive used."""
    with Meter() as meter:
        with context.progress.task("Cutting the text and the book into passages"):
            material = gather(context)
        outputs: Outputs = {
            "passages": len(material.passages),
            "book_passages": material.book,
            "questions": len(material.questions),
            "questions_held_back": material.held_back,
            "k": K,
        }
        with scratch(context) as path:
            outputs |= by_words(context, material, path)
            vectors, found = by_vectors(context, material, path)
        build(context.folder / INDEX, material.passages, vectors)
        outputs["curves"] += found.pop("dense_curves")
        outputs |= found | {"index": f"{context.layer}/{INDEX}", "vectors": len(vectors)}
        outputs |= _answers(context, material)
    return outputs | {"energy": account(context, meter.reading)}


def figures(outputs: Outputs) -> list[Figure]:
    """How good retrieval is by mode, how it falls with more to search, and where the dive's energy went."""
    from aistack.applications.figures import energy_by_layer, recall_by_mode, recall_over_size

    drawn = [recall_by_mode.draw(outputs["modes"], outputs["dense_passages"])] if outputs["modes"] else []
    drawn += [recall_over_size.draw(outputs["curves"], outputs["k"])] if outputs["curves"] else []
    return [*drawn, energy_by_layer.draw(outputs["energy"])]


def _answers(context: Context, material: Material) -> Outputs:
    """Answer examples with cited passages, and let the served model say what it makes of them."""
    asked = [_OWN_QUESTION] if material.book else []
    asked += [_example(question) for question in material.questions[-_EXAMPLES:]]
    with Index.open(context.folder / INDEX) as index, _endpoint(context) as (endpoint, problem):
        timed = endpoint is not None and context.options.endpoint is None
        count = _token_counter(context) if timed else None
        if timed:
            # the first request warms the server up, and shows whether there will be an answer to time
            first = assistant.answer(index, _OWN_QUESTION, endpoint=endpoint, count=count).generated
            timed = first is not None and first.problem is None
        if timed:
            load = min((level["measured"] for level in context.earlier["serving"]["levels"]), key=itemgetter("clients"))
            seconds = load["time_to_first_token"] + (assistant.ANSWER_TOKENS - 1) * load["time_per_output_token"]
            how = f"{assistant.ANSWER_TOKENS} tokens at the times that layer 5 measured with {load['clients']} clients"
            context.ledger.predict(ANSWER, seconds, "s", how)
        answers = []
        with context.progress.task("Answering examples", len(asked)) as task:
            for question in asked:
                answers.append(assistant.answer(index, question, endpoint=endpoint, count=count))
                task.advance()
    if timed:
        times = [each.generated.seconds for each in answers if each.generated and not each.generated.problem]
        if not times:
            raise AistackError("The served model answered once and then no more. Continue with: aistack dive --resume")
        context.ledger.measure(ANSWER, statistics.median(times), times)
    return {"answers": [each.to_json() for each in answers], "generation_problem": problem}


def _example(question: Question) -> str:
    """A question about the longest words of a sentence, which are its rarest as a rule."""
    words = dict.fromkeys(re.findall(r"[^\W\d_]+", question.text))
    telling = sorted(words, key=len, reverse=True)[:3]
    return f"What are {', '.join(word for word in words if word in telling)}?"


@contextmanager
def _endpoint(context: Context) -> Iterator[tuple[Endpoint | None, str | None]]:
    """The user's endpoint, or the model of this dive, served; or None and why there is none."""
    from aistack.serving.lab.server import running

    with ExitStack() as stack:
        endpoint, problem = None, None
        try:
            if context.options.endpoint is not None:
                endpoint = stack.enter_context(Endpoint(context.options.endpoint))
            else:
                folder = context.root / context.earlier["serving"]["model"]
                # the dive trains a base model, which knows how to go on but not how to chat
                url = stack.enter_context(running(folder, context.options.port, device=cast("Device", context.device)))
                endpoint = stack.enter_context(Endpoint(url, chat=False))
        except AistackError as error:
            problem = str(error)
            context.progress.say(f"  No generated answers: {problem}")
        yield endpoint, problem


def _token_counter(context: Context) -> Callable[[str], int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(context.root / context.earlier["frameworks"]["tokenizer"] / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
