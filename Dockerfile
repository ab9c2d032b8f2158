# Two images from one file: `platform` runs Airflow, MLflow and Evidently UI; `api` carries no Airflow and no torch.
FROM python:3.11.13-slim-bookworm AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 marquee \
 && install -d -o marquee -g marquee /app /var/lib/marquee /var/lib/marquee/evidently /var/lib/mlflow
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
ENV PYTHONUNBUFFERED=1 PYTHONPATH=/app DO_NOT_TRACK=1 MLFLOW_DISABLE_TELEMETRY=true MARQUEE_HOME=/var/lib/marquee
# The dependencies come before the code, so that a change of code does not install them again.
COPY pyproject.toml constraints.txt ./

FROM base AS platform
RUN uv pip install --system --no-cache --compile-bytecode -c constraints.txt -r pyproject.toml \
    --extra airflow --extra train --extra production
COPY --chown=marquee . .
ARG MARQUEE_GIT_COMMIT=unknown
ENV MARQUEE_GIT_COMMIT=$MARQUEE_GIT_COMMIT AIRFLOW_HOME=/var/lib/marquee/airflow AIRFLOW__CORE__DAGS_FOLDER=/app/dags
USER marquee
VOLUME /var/lib/marquee

FROM base AS api
RUN uv pip install --system --no-cache --compile-bytecode -c constraints.txt -r pyproject.toml --extra production
COPY --chown=marquee pipelines pipelines
COPY --chown=marquee serving serving
COPY --chown=marquee feature_repo feature_repo
ARG MARQUEE_GIT_COMMIT=unknown
ENV MARQUEE_GIT_COMMIT=$MARQUEE_GIT_COMMIT
USER marquee
VOLUME /var/lib/marquee
EXPOSE 8000
CMD ["uvicorn", "--factory", "serving.app:create_app", "--host", "0.0.0.0", "--port", "8000"]
