"""A synthetic streaming service whose truth is known, and the members that visit a page: for exams, never for the product."""
