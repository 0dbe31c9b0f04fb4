"""The C file itself: no sanitizer finds fault with it, secrets choose neither branch nor address, and no
build needs it."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cotally.server.crypto import backend, library
from cotally.server.crypto.library import Kernel
from cotally.server.ops import machine
from cotally.v1.refusals import Misconfigured

REPO = Path(__file__).parents[4]
SOURCE = REPO / "server" / "cotally" / "server" / "crypto" / "kernel.c"
VERSION = f'-DCOTALLY_SOURCE="{hashlib.sha256(SOURCE.read_bytes()).hexdigest()}"'
CC = shutil.which("cc")


def supported() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512ifma" in cpuinfo.read_text() and "avx512_vbmi" in cpuinfo.read_text()


needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler here")
needs_both = pytest.mark.skipif(CC is None or not supported(), reason="no C compiler or no AVX512-IFMA here")


def compiled(target: Path, *flags: str, sources: tuple[Path, ...] = (SOURCE,)) -> Path:
    assert CC is not None
    command = [CC, VERSION, *flags, "-fPIC", "-shared", "-o", str(target), *map(str, sources)]
    subprocess.run(command, check=True)
    return target


def python(code: str, library: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run *code* with `LIBRARY` in place of the installed kernel."""
    start = (f"from pathlib import Path\nfrom cotally.server.crypto import ifma, library\n"
             f"library.LIBRARY = Path({str(library)!r})\n")
    path = os.pathsep.join(str(REPO / root) for root in ("proto", "server", "client"))
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": path} | environment)


@needs_compiler
def test_the_file_compiles_without_a_warning(tmp_path: Path) -> None:
    compiled(tmp_path / "kernel.so", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow",
             "-Wconversion")


FUZZ = """
import random
from cotally.server.crypto.ifma import IfmaRing
draw = random.Random(7)
for bits in (2, 7, 50, 51, 64, 206, 207, 415, 416, 417, 900, 1024, 3072, 3326, 4096):
    for spare in (0, 1, 60):
        n = draw.getrandbits(bits) | 1 << (bits - 1) | 1
        ring = IfmaRing(n, (bits + 7) // 8 + spare)
        for count in (0, 1, 8, 11) if bits < 3000 else (9,):
            xs = [draw.choice([0, 1, n - 1, draw.randrange(n)]) for _ in range(count)]
            es = [draw.choice([0, 1, 2**37 - 1, draw.getrandbits(37)]) for _ in range(count)]
            v = ring.vector(xs)
            raised = [pow(x, e, n) for x, e in zip(xs, es)]
            assert ring.numbers(ring.multiply(v, v)) == [x * x % n for x in xs]
            assert ring.numbers(ring.powers(v, 2**37 - 3)) == [pow(x, 2**37 - 3, n) for x in xs]
            assert ring.numbers(ring.secret_powers(v, es, 37)) == raised
            product = ring.running_product(count)
            product.multiply(v)
            product.multiply(v)
            assert ring.numbers(product.result()) == [x * x % n for x in xs]
            whole = 1
            for x in raised: whole = whole * x % n
            assert ring.power_product(v, es) == whole
            table = ring.fixed_base(n // 2, 37, 40000)
            assert table.power(2**37 - 1) == pow(n // 2, 2**37 - 1, n)
            times = [x * pow(n // 2, e, n) % n for x, e in zip(xs, es)]
            assert ring.numbers(table.times_powers(v, es)) == times
            del product, table
"""
OVERRUN = """
ring = ifma.IfmaRing(2**1023 + 1, 128)
ring.computed(9, "multiply", bytes(8 * 128), bytes(9 * 128), 9)
"""


@needs_both
def test_no_sanitizer_finds_fault(tmp_path: Path) -> None:
    assert CC is not None
    asked = subprocess.run([CC, "-print-file-name=libasan.so"], capture_output=True, text=True)
    runtime = asked.stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("no AddressSanitizer here")
    library = compiled(tmp_path / "kernel.so", "-O1", "-g", "-fsanitize=address,undefined",
                       "-fno-sanitize-recover=all")
    environment = {"LD_PRELOAD": runtime, "PYTHONMALLOC": "malloc",
                   "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    clean = python(FUZZ, library, **environment)
    assert (clean.returncode, clean.stderr) == (0, "")
    planted = python(OVERRUN, library, **environment)
    assert planted.returncode != 0
    assert "heap-buffer-overflow" in planted.stderr


# Called at the start of every basic block, and before every access to memory: folds into one number which
# block that is, and which byte of the call's own memory. What a call is given lies elsewhere every time.
TRACER = """
#include <stdint.h>
#include <stdlib.h>
static uint64_t path;
static uintptr_t start, size;
static void fold(uintptr_t what) { path = (path ^ what) * 0x100000001b3; }
void __sanitizer_cov_trace_pc(void) { fold((uintptr_t)__builtin_return_address(0)); }
static void touch(void *at) { if ((uintptr_t)at - start < size) fold((uintptr_t)at - start); }
#define TOUCH(n) \\
    void __tsan_read##n(void *at) { touch(at); } void __tsan_unaligned_read##n(void *at) { touch(at); } \\
    void __tsan_write##n(void *at) { touch(at); } void __tsan_unaligned_write##n(void *at) { touch(at); }
TOUCH(1) TOUCH(2) TOUCH(4) TOUCH(8) TOUCH(16)
void __tsan_read_range(void *at, size_t n) { touch(at); fold(n); }
void __tsan_write_range(void *at, size_t n) { touch(at); fold(n); }
void __tsan_init(void) {}
void __tsan_func_entry(void *from) {}
void __tsan_func_exit(void) {}
int traced_memory(void **at, size_t alignment, size_t n)
{
    int code = posix_memalign(at, alignment, n);
    start = (uintptr_t)*at, size = n;
    return code;
}
uint64_t cotally_path(void) { uint64_t taken = path; path = 0; return taken; }
"""
PATHS = """
import ctypes
functions = ctypes.CDLL(str(library.LIBRARY))
functions.cotally_path.restype = ctypes.c_uint64
ring = ifma.IfmaRing(2**1000 + 297, 126)
bases = ring.vector([0, 1, 5, ring.modulus - 1, 77, 3, 2, 8, 9, 10])
ring.secret_powers(bases, [5] * 10, 400)  # makes what is made once
exponents = [0, 2**400 - 1, 1, 3**250, 7**100]
def paths(work):
    seen = set()
    for exponent in exponents:
        functions.cotally_path()
        work(exponent)
        seen.add(functions.cotally_path())
    return len(seen)
print(paths(lambda e: ring.secret_powers(bases[:8 * 126], [e] * 8, 400)),
      paths(lambda e: ring.secret_powers(bases[:2 * 126], [e] * 2, 400)),
      paths(lambda e: ring.powers(bases, e)))
"""
MASKED = "_mm512_ternarylogic_epi64(chosen[i], masks[k], table[k * size + i], 0xf8)"
NAMED = "(_mm512_movepi64_mask(masks[k]) & 1)"  # whether it is the first lane's entry


@needs_both
@pytest.mark.parametrize("selection, paths", [
    (MASKED, ["1", "1", "5"]),  # one path for all secrets; public exponents of other lengths differ
    (f"{NAMED} ? {MASKED} : chosen[i]", ["5", "5", "5"]),  # a branch
    (f"_mm512_or_si512(chosen[i], table[{NAMED} * k * size + i])", ["5", "5", "5"]),  # an address
], ids=["masked", "branch", "address"])
def test_neither_path_nor_addresses_depend_on_a_secret_exponent(
    tmp_path: Path, selection: str, paths: list[str]) -> None:
    kernel, tracer = tmp_path / "kernel.c", tmp_path / "tracer.c"
    assert SOURCE.read_text("utf-8").count(MASKED) == 1
    kernel.write_text(SOURCE.read_text("utf-8").replace(MASKED, selection))
    tracer.write_text(TRACER)
    traced, hook = tmp_path / "traced.o", tmp_path / "tracer.o"
    assert CC is not None
    tracing = ["-fsanitize-coverage=trace-pc", "-fsanitize=thread", "-Dposix_memalign=traced_memory"]
    for source, target, flags in ((kernel, traced, [VERSION, *tracing]), (tracer, hook, ["-w"])):
        subprocess.run([CC, "-O3", "-fPIC", *flags, "-c", "-o", str(target), str(source)], check=True)
    library = compiled(tmp_path / "kernel.so", sources=(traced, hook))
    said = python(PATHS, library)
    assert said.stdout.split() == paths, said.stderr


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", REPO / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SOURCE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler -O9", f"{sys.executable} -c 1/0"])
def test_a_build_without_a_compiler_is_silent_and_leaves_no_stale_kernel(
    hook: ModuleType, folder: Path, compiler: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CC", compiler)
    (folder / "kernel.so").write_bytes(b"of yesterday")
    assert not hook.compile_kernel(folder)
    assert [p.name for p in folder.iterdir()] == ["kernel.c"]
    assert capfd.readouterr() == ("", "")


@needs_compiler
def test_a_build_with_a_compiler_leaves_a_kernel_that_loads(
    hook: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CC", raising=False)
    assert hook.compile_kernel(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["kernel.c", "kernel.so"]
    assert capfd.readouterr() == ("", "")
    if supported():
        Kernel(folder / "kernel.so")


def test_a_missing_or_broken_library_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not compiled"):
        Kernel(tmp_path / "kernel.so")
    (tmp_path / "kernel.so").write_bytes(b"nothing that loads")
    with pytest.raises(OSError, match="does not load"):
        Kernel(tmp_path / "kernel.so")


@needs_compiler
@pytest.mark.parametrize("supported, reason", [(0, "no AVX512-IFMA"), (1, "another version")])
def test_a_library_that_must_not_be_used_says_so(tmp_path: Path, supported: int, reason: str) -> None:
    source = tmp_path / "other.c"
    source.write_text(f"int cotally_supported(void) {{ return {supported}; }}\n")
    with pytest.raises(OSError, match=reason):
        Kernel(compiled(tmp_path / "kernel.so", sources=(source,)))


@needs_both
@pytest.mark.parametrize("lacking", [True, False])
def test_a_stale_library_is_as_good_as_none_and_the_doctor_says_so(
    tmp_path: Path, lacking: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "older.c"
    text = SOURCE.read_text("utf-8").replace("COTALLY_SOURCE", '"another digest"')
    older.write_text(text.replace("cotally_lone_power", "cotally_gone") if lacking else text)
    monkeypatch.setattr(library, "LIBRARY", compiled(tmp_path / "kernel.so", "-O1", sources=(older,)))
    monkeypatch.delenv(backend.VARIABLE, raising=False)
    library._loaded.cache_clear()
    try:
        assert (backend.name(), type(backend.ring(107, 4)).__name__) == ("gmpy2", "GmpRing")
        found = machine.integers()
        assert found.detail.startswith("back end gmpy2; kernel: its library is of another version")
        monkeypatch.setenv(backend.VARIABLE, "ifma")
        with pytest.raises(Misconfigured, match=r"COTALLY_BACKEND=ifma cannot be used: .*another version"):
            backend.ring(107, 4)
    finally:
        monkeypatch.undo()
        library._loaded.cache_clear()
