"""Programs for Keras run as they are, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.house.layout import ROOT

QUICK_START = """
    import sys

    import numpy as np
    import keras
    import keras.backend as K
    from keras import layers as L
    from keras.models import Sequential
    from keras.layers import Dense, Dropout
    from keras.layers.core import Activation
    from keras.optimizers import SGD
    from keras.utils.np_utils import to_categorical

    np.random.seed(0)
    labels = np.random.randint(3, size=120)
    x = np.random.normal(size=(3, 8))[labels] + np.random.normal(size=(120, 8)) * 0.3
    model = Sequential()
    model.add(Dense(16, input_dim=8))
    model.add(Activation("relu"))
    model.add(Dropout(0.1))
    model.add(L.Dense(3, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=SGD(lr=0.1, momentum=0.9), metrics=["accuracy"])
    model.fit(x, to_categorical(labels), epochs=12, batch_size=20, verbose=0)
    loss, accuracy = model.evaluate(x, to_categorical(labels), verbose=0)
    assert accuracy > 0.9, accuracy
    model.save(sys.argv[1])
    again = keras.models.load_model(sys.argv[1])
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    print(__name__, K.epsilon() > 0, keras.__version__)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def run_lines(program: str) -> subprocess.CompletedProcess[str]:
    return run("-W", "error", "-c", textwrap.dedent(program))


@pytest.fixture
def quick_start(tmp_path: Path) -> Path:
    file = tmp_path / "quick_start.py"
    file.write_text(textwrap.dedent(QUICK_START))
    return file


def test_an_unmodified_program(quick_start: Path, tmp_path: Path) -> None:
    done = run("-m", "kgraph.keras", str(quick_start), str(tmp_path / "model.h5"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["__main__", "True", "2.3.1"]


def test_a_program_for_tensorflow_finds_its_own_modules(quick_start: Path, tmp_path: Path) -> None:
    text = quick_start.read_text().replace("from keras", "from tensorflow.keras")
    text = text.replace("import keras.backend as K", "import tensorflow.keras.backend as K")
    text = text.replace(
        "import keras\n", "import tensorflow as tf\nfrom tensorflow import keras\nimport beside\n"
    )
    quick_start.write_text(text + "assert tf.keras is keras\nassert beside.Dense is Dense\n")
    (tmp_path / "beside.py").write_text("from tensorflow.keras.layers import Dense\n")
    done = run("-m", "kgraph.keras", "--tensorflow", str(quick_start), str(tmp_path / "model.h5"))
    assert done.returncode == 0, done.stderr


def test_errors_of_the_program_are_its_own(tmp_path: Path) -> None:
    file = tmp_path / "fails.py"
    file.write_text("import keras\nimport sys\nsys.exit(3 if len(sys.argv) > 1 else keras.no_such_name)\n")
    assert run("-m", "kgraph.keras", str(file), "x").returncode == 3
    done = run("-m", "kgraph.keras", str(file))
    assert done.returncode == 1
    assert f'File "{file}", line 3' in done.stderr


def test_every_name_leads_to_the_one_module() -> None:
    done = run_lines("""
        import sys, importlib, pickle
        from kgraph import keras as ours
        specs = {name: module.__spec__ for name, module in sys.modules.items() if name.startswith("kgraph.")}
        ours.install(tensorflow=True)
        ours.install()
        assert len([finder for finder in sys.meta_path if type(finder).__name__ == "StandIn"]) == 2
        import keras, tensorflow as tf, keras.layers.core, keras.datasets.mnist, tensorflow.keras.utils
        from keras.utils import get_file
        assert keras is ours is tf.keras
        for name, module in list(sys.modules.items()):
            for stand_in in ("keras", "tensorflow.keras"):
                if name == stand_in or name.startswith(stand_in + "."):
                    assert module is sys.modules["kgraph.keras" + name[len(stand_in):]], name
            if name in specs:
                assert module.__spec__ is specs[name], name
                assert module.__spec__.name == module.__name__ == name
        assert keras.datasets.mnist.__spec__.name == "kgraph.keras.datasets.mnist"
        import keras.utils.np_utils
        assert importlib.reload(keras.utils.np_utils) is sys.modules["kgraph.keras.utils.np_utils"]
        layer = pickle.loads(pickle.dumps(keras.layers.Dense))
        assert layer is ours.layers.Dense
    """)
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_is_not_there() -> None:
    done = run_lines("""
        from kgraph import keras as ours
        ours.install(tensorflow=True)
        for name in ("keras.engine_room", "keras.activations.inside", "tensorflow.data", "tensorflow.keras.nothing"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                assert str(error).startswith(f"No module named '{name}'"), error
            else:
                raise SystemExit(name)
        import tensorflow as tf
        try:
            tf.constant
        except AttributeError as error:
            assert "stands in for nothing else" in str(error), error
        else:
            raise SystemExit("constant")
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "tensorflow"), [("keras", False), ("tensorflow", True)])
def test_too_late(tmp_path: Path, name: str, tensorflow: bool) -> None:
    (tmp_path / f"{name}.py").write_text("")
    done = run_lines(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import {name}
        from kgraph import keras as ours
        try:
            ours.install(tensorflow={tensorflow})
        except NotImplementedError as error:
            assert "{name} has been imported already" in str(error) and "{name}.py" in str(error), error
        else:
            raise SystemExit("installed")
        assert not [finder for finder in sys.meta_path if type(finder).__name__ == "StandIn"]
    """)
    assert done.returncode == 0, done.stderr
