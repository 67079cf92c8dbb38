"""Words of folders and tables that the field uses for classes and splits."""

LABEL_WORDS = {
    "real": "real",
    "0_real": "real",
    "nature": "real",
    "fake": "fake",
    "1_fake": "fake",
    "ai": "fake",
}
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
