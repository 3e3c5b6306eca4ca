#!/usr/bin/env python3
"""Replays recorded conversations with a kube-apiserver against the built server, and fails when an
area passes fewer of its cases than its floor in oracle-floor.json says.

The recordings lie outside the repository, in ../shared/oracle or where KUBERING_ORACLE says; without
them nothing is checked. `tests/oracle.py --write` raises the floors to what passes now.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORACLE = os.environ.get("KUBERING_ORACLE", os.path.join(ROOT, "../shared/oracle"))
FLOOR = os.path.join(ROOT, "tests/oracle-floor.json")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
BINARY = os.environ.get("KUBERING_BINARY", os.path.join(TARGET, "debug/kubering"))
START_SECONDS = 60
REPLAY_SECONDS = 900


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_keys(home):
    """The keys that the recorded server was started with: RSA for service account tokens, and a
    client certificate of a front proxy."""
    key, ca, proxy = (os.path.join(home, name) for name in ("sa", "proxy-ca", "proxy"))
    openssl("genrsa", "-out", f"{key}.key", "2048")
    openssl("rsa", "-in", f"{key}.key", "-pubout", "-out", f"{key}.pub")
    new = ["req", "-newkey", "rsa:2048", "-nodes"]
    openssl(*new, "-x509", "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-subj", "/CN=front-proxy-ca")
    openssl(*new, "-keyout", f"{proxy}.key", "-out", f"{proxy}.csr", "-subj", "/CN=front-proxy-client")
    sign = ["x509", "-req", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial"]
    openssl(*sign, "-in", f"{proxy}.csr", "-out", f"{proxy}.crt")


def start(home, port):
    log = open(os.path.join(home, "log"), "w")
    make_keys(home)
    command = [
        BINARY,
        f"--data-dir={home}/data",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--token-auth-file={ORACLE}/tokens.csv",
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--allow-privileged=true",
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home}/sa.pub",
        f"--service-account-signing-key-file={home}/sa.key",
        f"--requestheader-client-ca-file={home}/proxy-ca.crt",
        f"--proxy-client-cert-file={home}/proxy.crt",
        f"--proxy-client-key-file={home}/proxy.key",
    ]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.time() + START_SECONDS
    while "kubering serves" not in open(log.name).read():
        if server.poll() is not None or time.time() > deadline:
            sys.exit("oracle: the server did not start:\n" + open(log.name).read())
        time.sleep(0.1)
    return server


def replay(home, port, areas):
    out = os.path.join(home, "out.json")
    command = [sys.executable, os.path.join(ORACLE, "replay.py"), "--insecure", "--quiet"]
    command += ["--server", f"https://127.0.0.1:{port}", "--json", out]
    for area in areas:
        command += ["--area", area]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=REPLAY_SECONDS, check=False)
    return json.load(open(out))["areas"]


def main():
    if not os.path.exists(os.path.join(ORACLE, "replay.py")):
        print("oracle: no recordings at hand, nothing is compared")
        return
    write = "--write" in sys.argv
    floors = json.load(open(FLOOR))
    if not os.path.exists(BINARY):
        subprocess.run(["cargo", "build"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        server = start(home, port)
        try:
            areas = replay(home, port, [] if write else sorted(floors))
        finally:
            server.terminate()
            server.wait(30)
    low = []
    for area, result in sorted(areas.items()):
        share = result["passed"] / result["total"]
        floor = floors.get(area, 0)
        print(f"{area:26} {result['passed']:4}/{result['total']:<4} {share:7.1%}  floor {floor:4.0%}")
        if share < floor:
            low.append(area)
    if write:
        # A little room for cases that depend on time.
        raised = {a: int(100 * r["passed"] / r["total"]) / 100 for a, r in areas.items()}
        floors.update({a: s for a, s in raised.items() if s > floors.get(a, 0)})
        with open(FLOOR, "w") as out:
            json.dump(dict(sorted(floors.items())), out, indent=2)
            out.write("\n")
    missing = sorted(set(floors) - set(areas))
    if low or missing:
        sys.exit(f"oracle: below the floor: {', '.join(low + missing)}")
    print("oracle: every area keeps its floor")


main()
