//! One image of any size in, one mask out.
//!
//! `cargo run --release -p burn-rsmamba --example segment_image -- WEIGHTS.safetensors IMAGE.png MASK.png`
//!
//! WEIGHTS is what `burn-rsmamba-cli train` or `import` wrote; it says how the image has to be scaled and cut.

use std::error::Error;

use burn::tensor::Device;
use burn_rsmamba::inference::{ImageView, Predictor};
use burn_rsmamba::weights;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, input, output] = &arguments[..] else { return Err("give WEIGHTS, IMAGE and MASK".into()) };

    let device = Device::flex();
    let (model, meta) = weights::load(file.as_ref(), &device)?;
    if meta.downsample.get() > 1 {
        return Err(format!("these weights are for images made {} times smaller first", meta.downsample).into());
    }
    let image = image::open(input)?.to_rgb32f(); // 0..1
    let (width, height) = (image.width() as usize, image.height() as usize);
    let data: Vec<f32> = (0..3).flat_map(|band| image.pixels().map(move |pixel| pixel[band])).collect();
    let view = ImageView { bands: 3, height, width, data: &data };

    let predictor = Predictor::new(&model, &meta, &device);
    let probabilities = predictor.predict(&[view])?;

    // white where something is marked; of several classes their indices
    let mut mask = predictor.classes(&probabilities, meta.threshold);
    if model.classes() == 1 {
        for pixel in &mut mask {
            *pixel *= 255;
        }
    }
    image::GrayImage::from_raw(width as u32, height as u32, mask).expect("a value a pixel").save(output)?;
    Ok(())
}
