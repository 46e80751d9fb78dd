"""rushlight serve: a real server on loopback, asked by http.client; what it answers, refuses, and how it ends."""

from __future__ import annotations

import csv
import html
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushlight import tabular
from rushlight.tabular import commands, rows as row_checks

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

SOURCE = Path(tabular.__file__).parents[2]
JSON = {"content-type": "application/json"}
GOOD = {"age": 30, "city": "Rome", "size": "small"}


class Served:
    """`rushlight serve FOLDER` in a process of its own."""

    def __init__(self, folder, *options):
        arguments = [sys.executable, "-m", "rushlight", "serve", str(folder), "--port", "0", *options]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        self.process = subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.line = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+) ", self.line)[1])

    def ask(self, method, path, body=None, headers=JSON):
        """(status, headers, the answer's JSON)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read())
        finally:
            connection.close()

    def predict(self, given):
        return self.ask("POST", "/predict", json.dumps(given))[::2]

    def stop(self, number=signal.SIGTERM):
        """(exit status, standard error)."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of numbers, a category and an ordered category."""
    path = tmp_path_factory.mktemp("serve")
    with open(path / "people.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "city", "size", "buys"])
        for i in range(120):
            city, size = ["Rome", "Oslo", "Lima", ""][i % 4], ["small", "medium", "large"][i % 3]
            writer.writerow(["" if i % 7 == 0 else i % 30, city, size, "yes" if i % 30 > 14 else "no"])
    options = {"ordinal": ["size=small<medium<large"], "epochs": 20}
    tabular.fit(str(path / "people.csv"), "buys", str(path / "model"), **options)
    return str(path / "model")


@pytest.fixture(scope="module")
def served(folder):
    server = Served(folder, "--max-rows", "500", "--max-bytes", "100000", "--timeout", "1")
    yield server
    assert server.stop() == (0, "")


def test_a_row_and_a_list_of_rows(served, folder):
    run = tabular.load(folder)
    rows = [GOOD, {"age": None, "city": None, "size": "large"}, {"age": 2.5, "city": "Atlantis", "size": None}]
    expected = run.predict_rows(rows)
    status, answers = served.predict(rows)
    assert status == 200
    for answer, wanted in zip(answers, expected):
        assert answer["prediction"] == wanted["prediction"]
        assert answer["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-6)
    assert served.predict(rows[0]) == (200, answers[0])
    assert served.predict({**rows[0], "buys": "no"}) == (200, answers[0])  # the target may be there
    assert served.predict([]) == (200, [])
    status, many = served.predict([rows[i % 3] for i in range(500)])  # in a thread of its own
    assert status == 200 and many == [answers[i % 3] for i in range(500)]


@pytest.mark.parametrize(
    "given, problems",
    [
        ({"age": 1, "city": "Rome"}, [(1, "size", "is missing")]),
        ([GOOD, {**GOOD, "hat": 1}], [(2, "hat", "is unknown to the model")]),
        ({**GOOD, "age": "old"}, [(1, "age", "must be a number or null")]),
        ({**GOOD, "age": "30"}, [(1, "age", "must be a number or null")]),
        ({**GOOD, "age": True}, [(1, "age", "must be a number or null")]),
        ({**GOOD, "age": 10**400}, [(1, "age", "is too large")]),
        ({**GOOD, "city": ["Rome"]}, [(1, "city", "must be a string, a number or null")]),
        ({"town": 1}, [(1, name, "is missing") for name in GOOD] + [(1, "town", "is unknown to the model")]),
        ([1], [(1, None, "must be an object of columns and values")]),
        ([GOOD, None], [(2, None, "must be an object of columns and values")]),
    ],
)
def test_wrong_rows_are_named(served, given, problems):
    status, answer = served.predict(given)
    assert status == 422
    assert [(p["row"], p["column"], p["problem"]) for p in answer["problems"]] == problems
    row, column, problem = problems[0]
    assert answer["error"] == f"row {row}:" + (f" column {column!r}" if column else "") + f" {problem}"


def test_problems_are_not_counted_without_end(served):
    status, answer = served.predict([{"nothing": 1}] * 400)
    assert status == 422 and len(answer["problems"]) == row_checks.MOST_PROBLEMS


@pytest.mark.parametrize(
    "method, path, body, headers, status, message",
    [
        ("POST", "/predict", "{", JSON, 400, "the body is not JSON: "),
        ("POST", "/predict", b"\xff\xfe\xfd", JSON, 400, "the body is not JSON: "),
        ("POST", "/predict", "", JSON, 400, "the body is not JSON: "),
        ("POST", "/predict", '{"age": NaN}', JSON, 400, "NaN is not a JSON value"),
        ("POST", "/predict", "[" * 50_000, JSON, 400, "nested too deeply"),
        ("POST", "/predict", "3", JSON, 422, "must be a row"),
        ("POST", "/predict", json.dumps(GOOD), {"content-type": "text/plain"}, 415, "application/json"),
        ("POST", "/predict", json.dumps([GOOD] * 501), JSON, 413, "501 rows: the most in one request is 500"),
        ("POST", "/predict", " " * 100_001, JSON, 413, "longer than 100000 bytes"),
        ("POST", "/predict", (b" " * 60_000 for _ in range(2)), JSON, 413, "longer than 100000 bytes"),  # chunked
        ("POST", "/predict", json.dumps({**GOOD, "age": 1e308}), JSON, 422, "column 'age' has values too large"),
        ("POST", "/predict", json.dumps(GOOD).replace("30", "1e999"), JSON, 422, "infinite value"),
        ("POST", "/predict", json.dumps({**GOOD, "\ud800": 1}), JSON, 422, "is unknown to the model"),
        ("GET", "/predict", None, {}, 405, "Method Not Allowed"),
        ("GET", "/nowhere", None, {}, 404, "Not Found"),
    ],
)
def test_refusals_are_json(served, method, path, body, headers, status, message):
    answer = served.ask(method, path, body, headers)
    assert answer[0] == status and message in answer[2]["error"]
    assert answer[1]["content-type"] == "application/json"


def test_answers_that_json_cannot_say_are_refused():
    row_checks.refuse_infinite_answers([{"prediction": "a", "probabilities": {"a": 1.0}}, {"prediction": 1.5}])
    for answer in ({"prediction": "a", "probabilities": {"a": math.nan}}, {"prediction": math.inf}):
        with pytest.raises(tabular.DataError, match="row 2 has numbers so large"):
            row_checks.refuse_infinite_answers([{"prediction": 0.0}, answer])


def test_it_says_what_it_is(served):
    status, headers, about = served.ask("GET", "/")
    assert status == 200 and about["columns"] == ["age", "city", "size"] and about["classes"] == ["no", "yes"]
    assert about["task"] == "binary" and 0 <= about["test"]["accuracy"] <= 1
    assert served.ask("GET", "/health")[::2] == (200, {"status": "ok"})
    assert headers["server"] is None


def test_the_openapi_document(served):
    document = served.ask("GET", "/openapi.json")[2]
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/", "/predict", "/health", "/openapi.json", "/docs"}
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == ["age", "city", "size"] and row["additionalProperties"] is False
    assert row["properties"]["age"]["type"] == ["number", "null"]
    assert "Lima, Oslo, Rome" in row["properties"]["city"]["description"]
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    status, answer = served.predict(content["example"])
    assert status == 200
    schema = document["components"]["schemas"]["Answer"]
    assert answer["prediction"] in schema["properties"]["prediction"]["enum"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    validator = pytest.importorskip("openapi_spec_validator", reason="checks the document against its standard")
    validator.validate(document)


def test_the_page_needs_nothing_from_elsewhere(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", "/docs")
    response = connection.getresponse()
    page, policy = response.read().decode(), response.headers["content-security-policy"]
    connection.close()
    assert response.status == 200 and "POST /predict" in page
    assert not re.search(r'(src|href)="(https?:)?//', page) and "@import" not in page
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy


DRIVE = """<!doctype html><title>drive</title><link rel="icon" href="data:,"><iframe src="docs"></iframe>
<pre id="found"></pre><script>
addEventListener("load", async () => {
  const page = document.querySelector("iframe").contentDocument;
  const answers = [];
  for (const text of [page.querySelector("textarea").value, "{"]) {
    page.querySelector("textarea").value = text;
    page.querySelector("#answer").textContent = "";
    page.querySelector("button").click();
    while (!page.querySelector("#answer").textContent) await new Promise(done => setTimeout(done, 20));
    answers.push(page.querySelector("#answer").textContent);
  }
  document.querySelector("#found").textContent = JSON.stringify(answers);
});
</script>"""


@pytest.mark.browser
def test_the_page_asks_in_a_browser(folder, tmp_path):
    """The form is filled in and sent, in chromium, under the policy that the page is served with."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH (apt-get install chromium)")
    from starlette.responses import HTMLResponse

    from rushlight.tabular.serve import listen, server_for
    from rushlight.tabular.service import Limits, Service

    async def drive(request):
        return HTMLResponse(DRIVE)

    application = Service(tabular.load(folder), Limits()).application()
    application.add_route("/drive", drive)
    server, listening = server_for(application, 5), listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/drive"
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
        flags += [f"--user-data-dir={tmp_path}", "--timeout=20000", "--virtual-time-budget=10000", "--dump-dom"]
        done = subprocess.run([chromium, *flags, address], capture_output=True, text=True, timeout=120)
    finally:
        server.should_exit = True
        thread.join(20)
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout + done.stderr[-2000:]
    first, second = json.loads(html.unescape(found[1]))
    assert first.startswith("200 {") and '"probabilities"' in first
    assert second.startswith("400 {") and "the body is not JSON" in second
    console = re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)
    assert [line for line in console if "400 (Bad Request)" not in line] == []


def test_a_connection_stays_open_for_many_requests(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.connect()
    first = connection.sock
    for age in range(50):
        connection.request("POST", "/predict", json.dumps({**GOOD, "age": age}), JSON)
        assert connection.getresponse().read().startswith(b'{"prediction":')
    assert connection.sock is first
    connection.close()


def test_requests_at_once_do_not_mix(served):
    def one(age):
        return served.predict([{**GOOD, "age": age}] * (1 if age % 2 else 100))[1][0]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(one, range(40)))
    assert together == [one(age) for age in range(40)]


def raw(port, *parts, pause=0.0):
    """What comes back for bytes sent one after another."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def test_slow_and_endless_clients_are_left(served):
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n"
    start = time.monotonic()
    received = raw(served.port, head, b"{")  # a body that never ends
    assert received.startswith(b"HTTP/1.1 408") and b"longer than 1 seconds" in received
    for silent in ((), (head[:30],)):  # no request, half a request
        try:
            assert raw(served.port, *silent) == b""
        except ConnectionResetError:
            pass
    assert time.monotonic() - start < 10
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        raw(served.port, head[:-2], *[b"x-more: " + b"x" * 10_000 + b"\r\n"] * 20, pause=0.01)
    assert served.predict(GOOD)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_and_answers_first(folder, number):
    server = Served(folder)
    assert server.line.startswith(f"serving {folder} on http://127.0.0.1:")
    body = json.dumps(GOOD).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        connection.sendall(head + f"content-length: {len(body)}\r\n\r\n".encode() + body[:5])
        time.sleep(0.3)  # the request has begun
        stopping = threading.Thread(target=server.process.send_signal, args=(number,))
        stopping.start()
        time.sleep(0.3)
        connection.sendall(body[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    stopping.join()
    assert server.process.wait(20) == 0
    assert server.process.stderr.read() == ""
    server.process.communicate()


def test_a_host_that_others_reach_is_warned_of(folder):
    server = Served(folder, "--host", "0.0.0.0")
    assert server.predict(GOOD)[0] == 200
    status, errors = server.stop()
    assert status == 0 and "warning: 0.0.0.0 can be reached from other machines" in errors


def test_a_regression_answers_numbers(tmp_path):
    tabular.fit({"x": [i / 10 for i in range(60)], "y": [0.3 * i - 2 for i in range(60)]}, "y", str(tmp_path / "m"))
    server = Served(tmp_path / "m")
    wanted = tabular.load(str(tmp_path / "m")).predict([{"x": 2}])
    assert server.predict({"x": 2}) == (200, {"prediction": wanted[0]})
    assert server.stop() == (0, "")


def test_images_are_nested_lists(tmp_path):
    numpy = pytest.importorskip("numpy")
    x = numpy.zeros((40, 8, 8), dtype=numpy.uint8)
    x[::2, :, :4] = 200
    numpy.savez(tmp_path / "i.npz", images=x, labels=numpy.arange(40) % 2)
    tabular.fit(str(tmp_path / "i.npz"), out=str(tmp_path / "m"), epochs=8, channels=[4], hidden=[8])
    server = Served(tmp_path / "m")
    status, answers = server.predict([{"image": image.tolist()} for image in x[:2]])
    assert status == 200 and [answer["prediction"] for answer in answers] == [0, 1]
    for wrong in ({"image": [[1, 2], [3, 4]]}, {"image": "no"}, {"pixels": []}):
        status, answer = server.predict(wrong)
        assert status == 422 and answer["problems"][0]["column"] == "image"
    example = server.ask("GET", "/openapi.json")[2]["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert server.predict(example["application/json"]["example"])[0] == 200
    assert server.stop() == (0, "")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "nowhere is not a folder that `rushlight fit` wrote"),
        (["FOLDER", "--port", "70000"], "--port 70000: must be from 0 to 65535"),
        (["FOLDER", "--max-rows", "0"], "--max-rows 0: must be above 0"),
        (["FOLDER", "--timeout", "-1"], "must be above 0"),
        (["FOLDER", "--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid port 8000"),
        (["FOLDER", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
        ([], "FOLDER"),
    ],
)
def test_bad_arguments(arguments, message, folder, capsys):
    assert commands.main(["serve", *[folder if a == "FOLDER" else a for a in arguments]]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_port_in_use(served, folder, capsys):
    assert commands.main(["serve", folder, "--port", str(served.port)]) == 2
    assert f"port {served.port} (Address already in use): choose another" in capsys.readouterr().err


def test_without_its_packages_it_names_the_extra(folder):
    program = (
        "import sys; sys.modules['starlette'] = None; from rushlight.cli import main; "
        f"sys.exit(main(['serve', {folder!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert done.returncode == 2 and "pip install 'rushlight[serve]'" in done.stderr and done.stderr.count("\n") == 1
