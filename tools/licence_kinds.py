"""What a package's licence asks of a company that ships it, read from what the package declares.

Kinds, freest first: "permissive" (keep the notice), "weak" (LGPL, MPL and the like: changes of the package itself are
to be published), "strong" (GPL, AGPL: whoever ships it publishes all), "unknown". A reading of declarations, no legal
advice.
"""

import importlib.metadata
import re
from pathlib import PurePath

KINDS = ("unknown", "strong", "weak", "permissive")
REVIEWED = {
    "anny": "Apache-2.0",
    "apsw": "Zlib",
    "embreex": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "warp-lang": "Apache-2.0 AND LicenseRef-NVIDIA-CUDA-EULA",
}
"""Of packages that declare no licence or an unclear one: what the licence file beside them says, read by us."""

BUNDLED = {
    "libav(codec|device|filter|format|util)": "LGPL-2.1-or-later",  # FFmpeg
    "libsw(resample|scale)": "LGPL-2.1-or-later",  # FFmpeg
    "libpostproc|libx26[45]|libxvid": "GPL-2.0-or-later",
    "libgfortran|libgomp|libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libquadmath": "LGPL-2.1-or-later",
    "libgmp": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libmp3lame": "LGPL-2.0-or-later",
    "libcu[a-z]+|libnv[A-Za-z]+|libnccl": "LicenseRef-NVIDIA-proprietary",
}
"""Native libraries that wheels carry along and that are not permissive, by the pattern of their names."""

_SHORT = 60  # a declaration; what is longer is the licence's own text
_WEAK = re.compile(r"\b(L(esser )?GPL|MPL|Mozilla|EPL|CDDL|EUPL)|Lesser General Public", re.IGNORECASE)
_STRONG = re.compile(r"\b(A?GPL|SSPL|OSL)|(Affero|GNU) General Public", re.IGNORECASE)
_PERMISSIVE = re.compile(
    r"\b(0?BSD|MIT|X11|Apache|ISCL?|PSF|Python Software Foundation|Zlib|CC0|Unlicense|BSL-1\.0|HPND|Public Domain)\b",
    re.IGNORECASE,
)
_EXCEPTIONS = ("WITH GCC-exception", "WITH LLVM-exception", "WITH Classpath-exception")


def declared(distribution: importlib.metadata.Distribution) -> str:
    """The licence of a package: an SPDX expression where it declares one, else its own words, "" for none.

    In the order of trust: what we read ourselves, `License-Expression`, a short `License`, the classifiers.
    """
    metadata = distribution.metadata
    said = REVIEWED.get(distribution.name.lower()) or metadata.get("License-Expression")
    if said:
        return said
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if "License ::" in line]
    field = (metadata.get("License") or "").strip()
    if field and "\n" not in field and len(field) <= _SHORT:
        return field
    return " AND ".join(classifiers)


def kind_of(expression: str) -> str:
    """The kind of an SPDX expression or of the words of a classifier: the strictest of AND, the freest of OR."""
    while inner := re.search(r"\(([^()]* (?:AND|OR) [^()]*)\)", expression):
        expression = expression[: inner.start()] + kind_of(inner[1]) + expression[inner.end() :]
    alternatives = (re.split(r" AND ", one) for one in re.split(r" OR ", expression))
    return max((min(map(_kind_of_one, parts), key=KINDS.index) for parts in alternatives), key=KINDS.index)


def bundled(distribution: importlib.metadata.Distribution) -> dict[str, str]:
    """Native libraries of `BUNDLED` in a package's files: their plain name and licence."""
    found = {}
    for file in distribution.files or ():
        name = PurePath(file).name
        for pattern, licence in BUNDLED.items():
            if (match := re.match(rf"({pattern})\b", name)) and re.search(r"\.(so|dylib|dll|pyd)\b", name):
                found[match[1]] = licence
    return dict(sorted(found.items()))


def _kind_of_one(licence: str) -> str:
    if licence in KINDS:
        return licence
    if any(exception in licence for exception in _EXCEPTIONS):
        return "permissive"
    patterns = {"weak": _WEAK, "strong": _STRONG, "permissive": _PERMISSIVE}
    return next((kind for kind, pattern in patterns.items() if pattern.search(licence)), "unknown")
