"""The planner's pages: a form with a scenario's own fields, and the answer beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from aistack import scenario as stack
from aistack.book.setting import Setting
from aistack.errors import AistackError, BadInput
from aistack.scenario import (
    PoolsAnswer,
    ServingAnswer,
    ServingScenario,
    TrainingAnswer,
    TrainingScenario,
    charts,
    pools_remedies,
    serving_charts,
    serving_remedies,
)
from aistack.scenario.asked import system
from aistack.web import plan_forms, plan_numbers
from aistack.web.asked import read
from aistack.web.bar import bar
from aistack.web.desk import Desk
from aistack.web.sheet import numbered, sheet

Job = Literal["train", "serve"]
Answer = TrainingAnswer | ServingAnswer | PoolsAnswer
KINDS: Mapping[Job, type[TrainingScenario] | type[ServingScenario]] = {
    "train": TrainingScenario,
    "serve": ServingScenario,
}


def routes(desk: Desk) -> list[Route]:
    """`/plan`, which leads to the form for the scenario, `/plan/train` and `/plan/serve`."""

    async def begin(request: Request) -> Response:
        """`GET /plan`: the form for the reader's scenario, filled in."""
        setting = read(request).setting
        values = await desk.do(started, setting)
        return RedirectResponse(f"/plan/{'serve' if setting.job == 'serve' else 'train'}?{urlencode(values)}", 303)

    def planner(job: Job) -> Any:
        async def plan(request: Request) -> Response:
            query = [(key, value.strip()) for key, value in request.query_params.multi_items() if value.strip()]
            values = dict(query)
            if len(values) < len(query):
                raise BadInput("The query gives a key more than once.")
            text, status = await desk.do(page, job, values)
            return HTMLResponse(text, status)

        return plan

    return [
        Route("/plan", begin),
        Route("/plan/train", planner("train")),
        Route("/plan/serve", planner("serve")),
    ]


def started(setting: Setting) -> dict[str, str]:
    """A form's values for a setting: the plan that the book's pages have."""
    try:
        asked: TrainingScenario | ServingScenario = setting.serving() if setting.job == "serve" else setting.training()
    except AistackError:
        values: dict[str, object] = {"model": setting.model, "on": setting.on}
        values |= {"seq_len": setting.sequence, "global_batch": setting.batch, "tokens": setting.tokens}
        return {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    given = asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {type(asked).names(key)[0]: _written(value) for key, value in given.items()}


def page(job: Job, values: Mapping[str, str]) -> tuple[str, int]:
    """The page for a form's values, and its status: 400 where a value is wrong."""
    kind = KINDS[job]
    found = plan_forms.read(kind, values) if values else plan_forms.Read(None, {}, ())
    setting = _setting(job, found.scenario)
    told, trouble, status = None, "", 400 if found.by_field or found.wrong else 200
    if found.scenario is not None:
        try:
            told = _told(found.scenario)
        except BadInput as error:
            trouble, status = str(error), 400
        except AistackError as error:
            trouble = str(error)
    title = {"train": "Plan a training run", "serve": "Plan serving"}[job]
    text = sheet(
        "plan.html.jinja", f"plan/{job}", title, setting, above=bar(setting, "/plan"),
        about=f"{title}: how fast it is, what it needs and costs, and what limits it.",
        job=job, form=plan_forms.form(kind, values, found), told=told, trouble=trouble,
        command=_command(job, values) if found.scenario is not None else "",
        programs=f"/api/plan/{job}?{urlencode(dict(values))}",
    )  # fmt: skip
    return text, status


def _told(asked: TrainingScenario | ServingScenario) -> dict[str, Any]:
    """What the page says of an answer."""
    if isinstance(asked, TrainingScenario):
        answer: Answer = stack.answer(asked)
    else:
        answer = stack.answer_pools(asked) if asked.apart else stack.answer_serving(asked)
    if isinstance(answer, TrainingAnswer):
        subject, plan, drawn = charts.subject(answer), str(answer.plan), charts.draw(answer)
        groups, remedies = plan_numbers.training(answer), () if answer.fits else stack.remedies(answer)
        trouble = "" if answer.fits else "The plan does not fit into memory"
    elif isinstance(answer, ServingAnswer):
        subject, plan, drawn = serving_charts.subject(answer), str(answer.deployment), serving_charts.draw(answer)
        remedies = () if answer.meets else serving_remedies.serving_remedies(answer)
        groups, trouble = plan_numbers.serving(answer), "" if answer.meets else "Not every goal is met"
    else:
        subject = f"{asked.spec.name}, {answer.accelerators:,} accelerators in two pools"
        plan = f"reading prompts: {answer.prefill.deployment}; decoding: {answer.decode.deployment}"
        drawn = serving_charts.draw_pools(answer, subject)
        remedies = () if answer.meets else pools_remedies.pools_remedies(answer)
        groups, trouble = plan_numbers.serving(answer), "" if answer.meets else "Not every goal is met"
    return {
        "subject": subject,
        "plan": plan,
        "bound": answer.bound,
        "groups": groups,
        "trouble": trouble,
        "remedies": remedies,
        "goals": [
            (each, plan_numbers.goal(each, each.asked), plan_numbers.goal(each, each.reached))
            for each in getattr(answer, "goals", ())
        ],
        "figures": numbered(drawn),
        "assumptions": list(dict.fromkeys(answer.assumptions)),
        "sources": answer.sources,
    }


def _setting(job: Job, asked: TrainingScenario | ServingScenario | None) -> Setting:
    """The reader's scenario that comes nearest to a plan, for the bar and for links to the book."""
    if asked is None:
        return Setting(job=job)
    try:
        count, accelerator = system(asked.on)
        values: dict[str, object] = {"model": asked.model, "accelerator": accelerator, "count": count, "job": job}
        if isinstance(asked, TrainingScenario):
            values |= {"sequence": asked.seq_len, "batch": asked.global_batch}
            values |= {"tokens": asked.tokens} if asked.tokens else {}
            values |= {"job": "tune", "lora_rank": asked.lora_rank} if asked.lora_rank else {}
            for name in ("tensor_parallel", "pipeline_parallel"):
                values |= {name: size} if (size := getattr(asked, name)) > 1 else {}
        else:
            names = ("prompt", "output", "rate", "ttft", "tpot", "precision")
            values |= {name: value for name in names if (value := getattr(asked, name)) is not None}
        return Setting.of(values)
    except AistackError:
        return Setting(job=job)


def _command(job: Job, values: Mapping[str, str]) -> str:
    """The same question on the command line."""
    import shlex

    said = " ".join(f"--{key.replace('_', '-')} {shlex.quote(value)}" for key, value in values.items())
    return f"aistack plan {job} {said}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(f"{key}={size}" for key, size in value.items())
    return f"{value:.15g}" if isinstance(value, float) else str(value)
