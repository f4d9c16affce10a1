"""Every operation of the OpenAPI document, asked with what its schema allows and with what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

schemathesis = pytest.importorskip("schemathesis")

from aistack.web.app import create_app  # noqa: E402

app = create_app()
schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
# a search looks at all plans of a job and takes seconds each time: tests of its own ask it
quick = schema.exclude(path_regex="search")


@quick.parametrize()
@settings(
    max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_operation_fails_or_says_what_is_not_described(case: Any) -> None:
    answered = case.call(base_url="http://localhost")
    assert answered.status_code < 500, answered.text[:500]
    case.validate_response(
        answered,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance,
        ],
    )
    if answered.status_code >= 400:
        assert set(answered.json()) == {"error"} and "Traceback" not in answered.text
