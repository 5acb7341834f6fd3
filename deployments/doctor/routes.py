"""Which connections go through a proxy, and which certificates they are checked with."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.doctor.finding import Finding
from tasks.judge.endpoint.access.address import OPENAI_URL
from tasks.settings import Settings
from tasks.wire.route import NO_PROXY, describe_route
from tasks.wire.urls import without_user

_SPOKEN = {"judge": "the judge", "source": "the source"}
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


def check_routes(settings: Settings, environment: Mapping[str, str], api_url: str) -> list[Finding]:
    """How the judge, Jaeger, the source and the Prefect server are reached, by ``environment``.

    ``api_url`` is the Prefect server's; "" when none is configured. Databases are never reached through a proxy.
    """
    if not any(environment.get(name) or environment.get(name.lower()) for name in _VARIABLES):
        return [Finding("proxies", "ok", "none is set; every connection is direct")]
    routes = []
    for name, url in _places(settings, api_url).items():
        route = describe_route(url, environment).strip(" ()")
        routes.append(f"{name} {route}" if route else f"no proxy for {_SPOKEN.get(name, name)}")
    excepted = next((environment[name] for name in NO_PROXY if environment.get(name)), "")
    detail = "; ".join(routes) + (f"; NO_PROXY={excepted}" if excepted else "")
    return [Finding("proxies", "ok", detail)]


def _places(settings: Settings, api_url: str) -> dict[str, str]:
    found = {"judge": settings.openai_base_url or OPENAI_URL, "Prefect": api_url}
    if settings.jaeger_url is not None:
        found["Jaeger"] = settings.jaeger_url.get_secret_value()
    if settings.source_url is not None:
        # Stores of traces: jaeger+http://…
        source = settings.source_url.get_secret_value().strip()
        scheme = source.partition("://")[0].rpartition("+")[2].lower()
        if scheme in ("http", "https"):
            found["source"] = source[source.index(scheme) :] if "+" in source.partition("://")[0] else source
    return {name: plain for name, url in found.items() if (plain := without_user(url))}
