# What a tutorial on FastAPI ends with.
FROM python:3.11-slim

WORKDIR /code
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
ENV MODEL=model.joblib

CMD ["uvicorn", "fastapi_sklearn:app", "--host", "0.0.0.0", "--port", "8000"]
