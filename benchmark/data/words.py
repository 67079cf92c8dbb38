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
# Names of folders, as patterns, that one dataset of the field has -> which adapter reads it. The
# first that a tree has counts, so what is narrower stands before what is wider.
TELLING_FOLDERS = {
    "original_sequences|manipulated_sequences": "faceforensics",
    "FaceReenact|TalkingFace": "celeb-df-pp",
    "Celeb-real|Celeb-synthesis|YouTube-real": "celeb-df-v2",
    r"dfdc_train_part_\d+": "dfdc",
    "method_[AB]": "dfdcp",
    "manipulated_videos": "deeperforensics",
    "DF40(_train)?": "df40",
    "(Real|Fake)Video-(Real|Fake)Audio": "fakeavceleb",
    "deepfake_in_the_wild|(real|fake)_(train|test)": "wilddeepfake",
    "DiFF_.+": "diff",
    "(train|val)_release": "forgerynet",
    "(image|video)-data": "deepfake-eval-2024",
}
