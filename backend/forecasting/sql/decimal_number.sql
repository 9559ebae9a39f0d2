CASE WHEN abs({{ value }} * 1.0) < 1e-300 THEN 0 WHEN abs({{ value }} * 1.0) < 1e100 THEN {{ value }}::float8 END
