"""Scores of a scikit-learn model for `forgerybench import`: python THIS MANIFEST SCORES [ROOT]."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.ensemble import RandomForestClassifier


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB").resize((8, 8))).ravel()


manifest, scores = map(Path, sys.argv[1:3])
root = Path(sys.argv[3]) if len(sys.argv) > 3 else manifest.parent
table = pd.read_csv(manifest)
seen = np.stack([pixels(root / path) for path in table["path"]])
train, fake = table["split"] == "train", table["label"] == "fake"
model = RandomForestClassifier(random_state=0).fit(seen[train], fake[train])
table["prob_fake"] = model.predict_proba(seen)[:, 1]
table.loc[~train, ["path", "prob_fake"]].to_csv(scores, index=False)
