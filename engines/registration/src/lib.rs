//! Registers a recipe's golden picture to the part with OpenCV.
