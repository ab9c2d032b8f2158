"""The only modules that import Feast, MLflow and SQLAlchemy."""
