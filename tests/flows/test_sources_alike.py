from __future__ import annotations
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
import pytest
import sqlalchemy as sa
from deployments.demo.sample import Sample
from deployments.demo.station import NEWER_COLUMNS

def test_probe(make_world, sample, postgres_url, tmp_path, monkeypatch):
    world = make_world()
    def rep(name, url):
        monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", url)
        monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{tmp_path / name}-w.db")
        monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / f"{name}-p"))
        import time; t=time.monotonic()
        r = world.report()
        print(name, time.monotonic()-t, r["status"], r["error"])
        w = world.warehouse
        return {"reports":[r], "d": w.load_agents(r["id"]), "c": w.load_criteria(r["id"]), "r": w.load_runs(r["id"])}
    new = rep("new", f"sqlite:///{tmp_path/'source.db'}")
    e = sa.create_engine(postgres_url); sample.write(e); e.dispose()
    pg = rep("pg", postgres_url)
    sample.write_sqlite(tmp_path/"old.db", "old")
    old = rep("old", f"sqlite:///{tmp_path/'old.db'}")
    blank = replace(sample, runs=[{**row, **dict.fromkeys(NEWER_COLUMNS)} for row in sample.runs])
    blank.write_sqlite(tmp_path/"blank.db")
    bl = rep("blank", f"sqlite:///{tmp_path/'blank.db'}")
    def diff(a,b):
        for t in a:
            if len(a[t])!=len(b[t]): print("LEN",t,len(a[t]),len(b[t]))
            found={}
            for x,y in zip(a[t],b[t]):
                for k in x:
                    if x[k]!=y[k]: found.setdefault(k,[]).append((x.get("agent_name"),x[k],y[k]))
            for k,v in found.items(): print("   ",t,k,len(v),str(v[0])[:300])
    print("new pg"); diff(new,pg)
    print("old blank"); diff(old,bl)
    print("new old"); diff(new,old)
    for x in new["r"][:3]: print(x)
