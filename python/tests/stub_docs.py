"""The docstrings of the extension module in its stub, where editors look for them.

`python tests/stub_docs.py` copies them from the module into the stub.
"""

import ast
import inspect
from pathlib import Path

from seqring import _seqring

STUB = Path(__file__).parents[1] / "python" / "seqring" / "_seqring.pyi"


def runtime_doc(owner, node):
    """The docstring at run time of a class or function of the stub."""
    if isinstance(owner, ast.ClassDef):
        # A class of the stub that several classes of the module share.
        classes = [getattr(_seqring, owner.name, None)] if hasattr(_seqring, owner.name) else heirs(owner.name)
        docs = [inspect.getdoc(getattr(kind, node.name)) for kind in classes if node.name in vars(kind)]
        return docs[0] if docs else None
    thing = getattr(_seqring, node.name, None)
    return inspect.getdoc(thing) if thing is not None else None


def heirs(name):
    tree = ast.parse(STUB.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found = [node for node in classes if any(isinstance(base, ast.Name) and base.id == name for base in node.bases)]
    return [kind for node in found for kind in ([getattr(_seqring, node.name)] if hasattr(_seqring, node.name) else heirs(node.name))]


def documented(tree):
    """Each public class, method and property of the stub, and the node that holds it."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                yield tree, node
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    if not any(isinstance(line, ast.Attribute) and line.attr == "setter" for line in member.decorator_list):
                        yield node, member
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield tree, node


def written(text):
    """The stub with the docstrings of the module."""
    tree, lines, changes = ast.parse(text), text.splitlines(), []
    for owner, node in documented(tree):
        doc = runtime_doc(owner, node)
        if not doc:
            continue
        has_doc, first = ast.get_docstring(node) is not None, node.body[0]
        margin = " " * (node.col_offset + 4)
        end = f"\n{margin}" if "\n" in doc else ""
        quoted = "\n".join(f"{margin}{line}".rstrip() for line in f'"""{doc}'.splitlines()) + f'{end}"""'
        changes.append((first, has_doc, isinstance(node, ast.FunctionDef), quoted))
    for first, has_doc, is_function, quoted in sorted(changes, key=lambda change: (-change[0].lineno, not change[2])):
        start, end = first.lineno - 1, first.end_lineno
        if has_doc:
            lines[start:end] = [quoted]
        elif is_function:
            lines[start] = lines[start][: first.col_offset].rstrip()
            lines[start:end] = ([lines[start]] if lines[start] else []) + [quoted]
        else:
            while lines[start - 1].lstrip().startswith(("@", "#")):
                start -= 1
            lines.insert(start, quoted)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(written(STUB.read_text()))
