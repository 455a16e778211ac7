"""Where weights come from: files, runs, servers; fetched whole, once, and known by their SHA-256."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imgcls.errors import UserError
from imgcls.weights import Weights, here, locate

CONTENT = b"weights " * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server():
    """A real server of this machine; `files` maps paths to (bytes, length that is claimed)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.asked.append(self.path)
            self.tokens.append(self.headers.get("Authorization"))
            if self.path not in self.files:
                self.send_error(404)
                return
            content, length = self.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args):
            pass

    Handler.files, Handler.asked, Handler.tokens = {}, [], []
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    Handler.address = f"http://127.0.0.1:{served.server_port}"
    yield Handler
    served.shutdown()


def partials(folder):
    return list(folder.rglob("*.part"))


def test_a_file_is_known_by_its_hash(tmp_path):
    (tmp_path / "a.pth").write_bytes(CONTENT)
    found = locate(str(tmp_path / "a.pth"))
    assert (found.path, found.sha256) == (str(tmp_path / "a.pth"), SHA)
    assert locate(str(tmp_path / "a.pth"), SHA.upper()).sha256 == SHA
    with pytest.raises(UserError, match="it is another file"):
        locate(str(tmp_path / "a.pth"), "0" * 64)
    with pytest.raises(UserError, match="there is no such file"):
        locate(str(tmp_path / "b.pth"))


def test_a_runs_folder_means_its_best_checkpoint(tmp_path):
    for step in ("step-00000010", "step-00000020"):
        (tmp_path / "checkpoints" / step).mkdir(parents=True)
        (tmp_path / "checkpoints" / step / "model.safetensors").write_bytes(step.encode())
    newest = locate(str(tmp_path))
    assert newest.path.endswith("step-00000020/model.safetensors")
    (tmp_path / "result.json").write_text(json.dumps({"best_checkpoint": "checkpoints/step-00000010"}))
    assert locate(str(tmp_path)).path.endswith("step-00000010/model.safetensors")
    (tmp_path / "checkpoints" / "step-00000010" / "ema.safetensors").write_bytes(b"average")
    assert locate(str(tmp_path)).path.endswith("step-00000010/ema.safetensors")
    checkpoint = locate(str(tmp_path / "checkpoints" / "step-00000020"))
    assert checkpoint.path.endswith("step-00000020/model.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no run's folder"):
        locate(str(tmp_path / "empty"))


def test_an_address_is_fetched_once(cache, server):
    server.files["/net.pth"] = CONTENT, len(CONTENT)
    first = locate(f"{server.address}/net.pth")
    assert first.sha256 == SHA
    assert locate(f"{server.address}/net.pth").path == first.path
    assert server.asked == ["/net.pth"]
    assert partials(cache) == []


def test_a_copy_that_was_damaged_is_fetched_again(cache, server):
    server.files["/net.pth"] = CONTENT, len(CONTENT)
    path = locate(f"{server.address}/net.pth").path
    with open(path, "ab") as file:
        file.write(b"!")
    assert locate(f"{server.address}/net.pth").sha256 == SHA
    assert len(server.asked) == 2


def test_what_is_cut_off_or_another_file_is_not_kept(cache, server):
    server.files["/short.pth"] = CONTENT, len(CONTENT) + 9
    server.files["/net-0123456789.pth"] = CONTENT, len(CONTENT)
    server.files["/net.pth"] = CONTENT, len(CONTENT)
    for name, words in (("short.pth", "cannot be fetched"), ("net-0123456789.pth", "nothing was kept")):
        with pytest.raises(UserError, match=words):
            locate(f"{server.address}/{name}")
    with pytest.raises(UserError, match="nothing was kept"):
        locate(f"{server.address}/net.pth", "f" * 64)
    with pytest.raises(UserError, match="404"):
        locate(f"{server.address}/gone.pth")
    assert partials(cache) == []
    assert list(cache.rglob("*.pth")) == []


def test_the_start_of_the_hash_in_a_name_is_checked_as_torchs_hub_does(cache, server):
    server.files[f"/net-{SHA[:8]}.pth"] = CONTENT, len(CONTENT)
    assert locate(f"{server.address}/net-{SHA[:8]}.pth").sha256 == SHA


def test_the_hub_gives_a_file_and_safetensors_first(cache, server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", "secret")
    server.files["/timm/net/resolve/main/pytorch_model.bin"] = CONTENT, len(CONTENT)
    assert locate("hf://timm/net").path.endswith("pytorch_model.bin")
    server.files["/timm/net/resolve/main/model.safetensors"] = CONTENT, len(CONTENT)
    assert locate("hf://timm/net").path.endswith("model.safetensors")
    server.files["/timm/net/resolve/v2/sub/x.bin"] = CONTENT, len(CONTENT)
    assert locate("hf://timm/net@v2/sub/x.bin").path.endswith("x.bin")
    assert set(server.tokens) == {"Bearer secret"}
    for wrong in ("hf://timm", "hf://timm/net@", "hf://"):
        with pytest.raises(UserError, match="expected hf://OWNER/NAME"):
            locate(wrong)
    with pytest.raises(UserError, match="has none of model.safetensors, pytorch_model.bin"):
        locate("hf://timm/other")


def test_a_token_goes_to_the_hub_alone(cache, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    server.files["/net.pth"] = CONTENT, len(CONTENT)
    locate(f"{server.address}/net.pth")
    assert server.tokens == [None]


@pytest.mark.parametrize("source", ["ftp://x/y.pth", "file:///etc/passwd", "http://example.com/net.pth"])
def test_other_addresses_are_refused(cache, source):
    with pytest.raises(UserError, match="nothing is fetched from"):
        locate(source)


def test_another_machine_fetches_for_itself(cache, server, tmp_path):
    server.files["/net.pth"] = CONTENT, len(CONTENT)
    there = Weights(f"{server.address}/net.pth", str(tmp_path / "not-here.pth"), SHA)
    assert here(there).read_bytes() == CONTENT
    (tmp_path / "a.pth").write_bytes(b"changed since")
    with pytest.raises(UserError, match="another file"):
        here(Weights(str(tmp_path / "a.pth"), str(tmp_path / "a.pth"), SHA))
