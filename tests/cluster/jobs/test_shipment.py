"""What travels with a job, looked at without a cluster."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tests.cluster.jobs.head import run

from imgcls import UserError, __version__
from imgcls.plugins import Plugins, installed
from imgcls.recipe import find, read, shipped
from imgcls_cluster.jobs import on_head
from imgcls_cluster.jobs.confidential import holds_token, is_secret
from imgcls_cluster.jobs.shipment import included
from imgcls_cluster.jobs.submission import refuse_places, shipped_text
from imgcls_cluster.jobs.wheels import packages

_EXAMPLE = Path(__file__).parents[2] / "third_party/imgcls_example"
_NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_that_was_shipped_as_one_file_says_the_same_on_the_cluster(name, tmp_path):
    text = shipped_text(read(find(name), installed()))
    assert "extends" not in text
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    assert shipped_text(read(path, installed())) == text


def test_overrides_are_part_of_what_is_shipped_and_what_the_recipe_promised_no_longer_is(write_recipe):
    told = shipped_text(read(find("digits_lenet"), installed()))
    changed = shipped_text(read(find("digits_lenet"), installed(), ["optimizer.lr=0.01"]))
    assert "[expect]" in told
    assert "[expect]" not in changed
    assert "lr = 0.01" in changed


def test_the_plan_of_a_shipped_recipe_is_the_plan_of_the_one_it_was_made_from(tmp_path):
    from imgcls.data.prepare import prepare
    from imgcls.plan import make

    recipe = read(find("digits_lenet"), installed(), ["train.epochs=2", "augment.random_crop.padding=3"])
    path = tmp_path / "digits_lenet.toml"
    path.write_text(shipped_text(recipe))
    plans = [
        make(each, prepare(each, tmp_path, lambda done, of: None), "x")
        for each in (recipe, read(path, installed()))
    ]
    assert plans[0].to_json() == plans[1].to_json()


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "prod.env", "server.key", "ca.pem", "id_rsa", ".netrc", ".aws", "auth.token"]
)
def test_a_secret_is_known_by_its_name_and_never_travels(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/lists.csv").write_text("a")
    secret = tmp_path / "code" / name
    if name == ".aws":
        secret.mkdir()
        secret /= "config"
    secret.write_text("secret")
    found, left_out = included(["code"], tmp_path)
    assert [file.name for file in found] == ["code/lists.csv"]
    assert left_out == [str(secret)]
    with pytest.raises(UserError, match="looks like a secret"):
        included([str(secret.relative_to(tmp_path))], tmp_path)


def test_names_that_only_look_like_secrets_travel():
    assert not any(is_secret(Path(name)) for name in ("id_rsa.pub", "monkey.py", "environment.toml", "keys.csv"))


def test_a_file_from_elsewhere_travels_by_its_name_and_a_link_not_at_all(tmp_path):
    home, other = tmp_path / "home", tmp_path / "other/lists"
    home.mkdir()
    other.mkdir(parents=True)
    (other / "train.csv").write_text("a")
    assert [file.name for file in included([str(other)], home)[0]] == ["lists/train.csv"]
    (other / "link").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        included([str(other)], home)
    with pytest.raises(UserError, match="there is no such file"):
        included(["missing"], home)


def test_too_large_an_upload_is_refused_with_the_sizes_before_anything_is_done(tmp_path):
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(120 << 20)
    (tmp_path / "small.txt").write_text("a")
    submit = ["submit", "digits_lenet", "--storage", "/x", "--address", _NOWHERE]
    ended = run(*submit, "--include", "data.bin", "--include", "small.txt", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "--include: 120.0 MiB in 2 files, and Ray takes 100.0 MiB at most" in ended.err, ended
    assert "120.0 MiB  data.bin" in ended.err, ended


def test_a_file_that_holds_the_clusters_token_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    from imgcls_cluster.jobs import confidential

    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef")
    confidential._token.cache_clear()
    (tmp_path / "notes.txt").write_text("the token is 0123456789abcdef, keep it")
    (tmp_path / "other.txt").write_text("nothing")
    assert holds_token(tmp_path / "notes.txt")
    assert not holds_token(tmp_path / "other.txt")
    confidential._token.cache_clear()


def test_what_is_wrong_with_a_recipe_or_its_options_is_said_before_a_cluster_is_asked(tmp_path):
    (tmp_path / "x.toml").write_text(
        'model = "lenet5"\ndata = "digits"\noptimizer = { name = "sgd", momentun = 1 }\n'
    )
    submit = ["submit", "x.toml", "--address", _NOWHERE]
    slip = run(*submit, "--storage", "/x", cwd=tmp_path)
    assert slip.code == 2, slip
    assert "x.toml:3: optimizer.momentun: unknown option; did you mean 'momentum'?" in slip.err, slip
    digits = ["submit", "digits_lenet", "--address", _NOWHERE]
    for arguments, words in (
        (["--storage", "runs"], "--storage runs: is relative"),
        (["--storage", "/x", "--workers", "0"], "0 trains without Ray"),
        (["--storage", "/x", "--name", "a/b"], "cannot be the name of a folder"),
        (["--storage", "/x", "--include", "nothing"], "there is no such file"),
    ):
        ended = run(*digits, *arguments, cwd=tmp_path)
        assert ended.code == 2, ended
        assert words in ended.err, ended
        assert "Traceback" not in ended.err, ended


def test_a_relative_path_in_a_recipe_is_refused_unless_it_travels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/a/1.png").write_bytes(b"x")
    recipe = read(find("folder_resnet18"), installed(), ["data.root=images"])
    with pytest.raises(UserError, match=r"data.root: 'images' is relative.*--include images"):
        refuse_places(recipe, [])
    refuse_places(recipe, included(["images"], tmp_path)[0])
    for fine in ("/data/images", "~/images", "s3://bucket/images"):
        refuse_places(read(find("folder_resnet18"), installed(), [f"data.root={fine}"]), [])
    weights = read(find("digits_lenet"), installed(), ["weights.source=old/model.safetensors"])
    with pytest.raises(UserError, match=r"weights.source: 'old/model.safetensors' is relative"):
        refuse_places(weights, [])


def _installed_example(folder: Path, source: Path, editable: bool) -> Plugins:
    """The example plugin as an installer records it: from a folder, in place or copied."""
    info = folder / "imgcls_example-0.3.0.dist-info"
    info.mkdir(parents=True)
    requires = "Requires-Dist: imgcls>=0.1\nRequires-Dist: click>=8\nRequires-Dist: absent; extra == 'more'\n"
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: imgcls-example\nVersion: 0.3.0\n{requires}\nText.\n"
    )
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "entry_points.txt").write_text("[imgcls]\nexample = imgcls_example\n")
    about = {"url": source.as_uri(), "dir_info": {"editable": editable}}
    (info / "direct_url.json").write_text(json.dumps(about))
    files = ["METADATA", "WHEEL", "entry_points.txt", "direct_url.json", "RECORD"]
    rows = [f"{info.name}/{name},," for name in files]
    if not editable:
        for path in (source / "imgcls_example").glob("*.py"):
            (folder / "imgcls_example").mkdir(exist_ok=True)
            (folder / "imgcls_example" / path.name).write_bytes(path.read_bytes())
            rows.append(f"imgcls_example/{path.name},,")
    (info / "RECORD").write_text("\n".join([*rows, "../../bin/program,,", ""]))
    return Plugins(entry_points(group="imgcls"))


@pytest.mark.parametrize("editable", [False, True])
def test_a_local_plugin_travels_as_a_wheel_without_requirements_named_after_what_is_in_it(
    editable, tmp_path, monkeypatch
):
    source = tmp_path / "source"
    shutil.copytree(_EXAMPLE, source)
    monkeypatch.syspath_prepend(str(source))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    plugins = _installed_example(tmp_path / "site", source, editable)
    (tmp_path / "x.toml").write_text(
        'model = "example:small_net"\ndata = "digits"\noptimizer = { name = "sgd", lr = 0.1 }\n'
        "train = { epochs = 1, batch_size = 8 }\n"
    )
    recipe = read(tmp_path / "x.toml", plugins)
    names = []
    for turn in ("one", "two", "changed"):
        (tmp_path / turn).mkdir()
        if turn == "changed":
            place = source if editable else tmp_path / "site"
            with (place / "imgcls_example/model.py").open("a") as file:
                file.write("# other\n")
        found = packages(recipe, tmp_path / turn)
        (wheel,) = found.wheels
        names.append(wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        metadata = files["imgcls_example-0.3.0.dist-info/METADATA"].decode()
        assert "Requires-Dist" not in metadata
        assert "Name: imgcls-example" in metadata
        assert "imgcls_example/model.py" in files
        assert not any("direct_url" in name or name.endswith("program") for name in files)
    assert names[0] == names[1] != names[2]
    assert all(need.startswith(("click", "scikit-learn")) for need in found.needs), found
    assert len(found.needs) == 1, "imgcls itself is looked for by its version, extras are not asked for"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--target",
        str(tmp_path / "there"),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    assert (tmp_path / "there/imgcls_example/model.py").is_file()


def test_a_plugin_from_an_index_is_what_the_cluster_must_have(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(_EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    plugins = _installed_example(tmp_path / "site", _EXAMPLE, editable=False)
    (tmp_path / "site/imgcls_example-0.3.0.dist-info/direct_url.json").unlink()
    (tmp_path / "x.toml").write_text(
        'model = "example:small_net"\ndata = "digits"\noptimizer = { name = "sgd", lr = 0.1 }\n'
        "train = { epochs = 1, batch_size = 8 }\n"
    )
    found = packages(read(tmp_path / "x.toml", plugins), tmp_path)
    assert found.wheels == ()
    assert found.needs == ("imgcls-example==0.3.0",)


def _on_head(folder: Path, version: str, needs: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "begin.py").write_text(Path(on_head.__file__).read_text())
    job = {"imgcls": version, "needs": needs, "launch": ["--help"], "command": "imgcls submit x"}
    (folder / "job.json").write_text(json.dumps(job))
    return subprocess.run(
        [sys.executable, "begin.py"], cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_the_job_looks_for_what_it_needs_before_it_launches(tmp_path):
    fine = _on_head(tmp_path, __version__, ["click>=8", "pydantic>=2,<3"])
    assert fine.returncode == 0, fine
    assert json.loads(fine.stdout.splitlines()[0])["kind"] == "job"
    assert "Train as a recipe says" in fine.stdout, "it has become the launch"
    other = _on_head(tmp_path, "9.9", ["click>=99", "imgcls-nowhere==1.0"])
    assert other.returncode == 2, other
    assert f"imgcls {__version__} is installed, and the job was submitted by 9.9" in other.stderr
    assert "the recipe needs click>=99; pip install 'click>=99'" in other.stderr
    assert "imgcls-nowhere is not installed" in other.stderr
    assert other.stderr.endswith("nothing was started\n")
