"""`python -m scripts.monitoring`: write the files anew."""

from scripts.monitoring import FILES

if __name__ == "__main__":
    for path, make in FILES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), "utf-8")
