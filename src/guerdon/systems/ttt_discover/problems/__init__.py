"""Problems with a continuous, exactly checkable reward, one module each."""
