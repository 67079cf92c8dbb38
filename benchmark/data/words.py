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
# Folders that one dataset of the field has, and which adapter reads it.
TELLING_FOLDERS = {
    "original_sequences": "faceforensics",
    "manipulated_sequences": "faceforensics",
    "Celeb-synthesis": "celeb-df-v2",
    "dfdc_train_part_0": "dfdc",
    "method_A": "dfdcp",
    "manipulated_videos": "deeperforensics",
    "DF40": "df40",
    "RealVideo-RealAudio": "fakeavceleb",
    "deepfake_in_the_wild": "wilddeepfake",
    "DiFF_real": "diff",
}
