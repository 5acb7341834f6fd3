"""Proxies and certificates in the environment: checked, and in the form that every HTTP client reads."""

from __future__ import annotations

import os


def prepare_connections() -> None:
    """Refuse unusable proxies and certificates, and make NO_PROXY readable for httpx.

    In the environment, since Prefect's own clients and child processes read it there.
    """
    if "PREFECT_API_URL" in os.environ:
        os.environ["PREFECT_API_URL"] = os.environ["PREFECT_API_URL"].strip()
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    if "SSL_CERT_FILE" in os.environ or any(os.environ.get(name) or os.environ.get(name.lower()) for name in names):
        from tasks.wire.route import NO_PROXY, check_route, readable_no_proxy

        check_route(os.environ)
        for name in NO_PROXY:
            if name in os.environ:
                os.environ[name] = readable_no_proxy(os.environ[name])
